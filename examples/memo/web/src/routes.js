import { createRouter, createWebHistory } from "vue-router";
import HandIn from "./pages/HandIn.vue";
import Memo from "./pages/Memo.vue";
import Nowhere from "./pages/Nowhere.vue";

export const router = createRouter({
  history: createWebHistory(),
  routes: [
    { path: "/", component: HandIn, meta: { title: "Memos" } },
    // Asked for by its address it is found too: the server answers every path of its own with this application.
    { path: "/memos/:number(\\d+)", component: Memo, props: true, meta: { title: "A memo" } },
    { path: "/:rest(.*)", component: Nowhere, meta: { title: "Not here" } },
  ],
  scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
});

router.afterEach((to) => {
  document.title = to.meta.title;
});
