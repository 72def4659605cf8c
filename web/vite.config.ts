// SPDX-License-Identifier: MIT
// The page is a handful of static files that farm-server serves under a strict policy (default-src 'self'), so nothing
// may be inlined: no data: URLs, no inline script.
import { defineConfig } from "vite";

export default defineConfig({
    base: "./",
    build: {
        target: "es2022",
        assetsInlineLimit: 0,
        modulePreload: { polyfill: false },
        emptyOutDir: true,
        chunkSizeWarningLimit: 800,
        rolldownOptions: {
            output: {
                // ECharts changes far less often than the page: a chunk of its own stays cached.
                codeSplitting: { groups: [{ name: "echarts", test: /node_modules/ }] },
            },
        },
    },
    server: { proxy: { "/api": "http://127.0.0.1:8080", "/healthz": "http://127.0.0.1:8080" } },
});
