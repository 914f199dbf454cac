import { defineConfig } from "vite";

// Where the page finds its API is baked in when it is built. A path of its own origin is the same everywhere.
process.env.VITE_API_BASE ||= "/api";

export default defineConfig({
  // While somebody works on the page the API is taken from where uvicorn listens; elsewhere a router does the same.
  server: {
    proxy: {
      "/api": { target: "http://127.0.0.1:8000", ws: true, rewrite: (path) => path.replace(/^\/api/, "") },
    },
  },
});
