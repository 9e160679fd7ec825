// Builds the page. The Rust build script names the output folder through
// LFS_WRAPPER_WEB_OUT; that folder is emptied first.

import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [svelte()],
  build: {
    outDir: process.env.LFS_WRAPPER_WEB_OUT || "dist",
    emptyOutDir: true,
    target: "es2022",
    // The server's content policy refuses data: addresses, so nothing is inlined.
    assetsInlineLimit: 0,
    modulePreload: false,
  },
  server: {
    // `npm run dev` shows the data of a running `lfs-wrapper up`.
    proxy: { "/api": process.env.LFS_WRAPPER_URL || "http://127.0.0.1:9723" },
  },
});
