import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [vue()],
  // While somebody works on the page the API is taken from where uvicorn listens; elsewhere a router does the same.
  server: {
    proxy: {
      "/api": { target: "http://127.0.0.1:8000", ws: true, rewrite: (path) => path.replace(/^\/api/, "") },
    },
  },
});
