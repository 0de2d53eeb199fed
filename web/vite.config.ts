import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { Features } from "lightningcss";
import { defineConfig, type Plugin } from "vite";

const OUT = "../api/pages/built";

/** Beside each file its compressed forms: the hub sends them as they are. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    closeBundle() {
      for (const folder of [OUT, join(OUT, "assets")]) {
        for (const name of readdirSync(folder)) {
          if (!/\.(js|css|html|svg)$/.test(name)) continue;
          const content = readFileSync(join(folder, name));
          writeFileSync(join(folder, `${name}.gz`), gzipSync(content, { level: 9 }));
          const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } };
          writeFileSync(join(folder, `${name}.br`), brotliCompressSync(content, quality));
        }
      }
    },
  };
}

export default defineConfig({
  base: "/",
  publicDir: false,
  // its stand-in for light-dark() does not know that color-scheme is inherited
  css: { lightningcss: { exclude: Features.LightDark } },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: OUT,
    emptyOutDir: true,
    // browsers that know light-dark(), :has() and <dialog>
    target: ["es2022", "chrome123", "edge123", "firefox121", "safari17.5"],
    assetsInlineLimit: 0, // the content security policy knows files only
    modulePreload: { polyfill: false },
    rollupOptions: {
      input: ["chat.html", "dentist.html", "desk.html", "patient.html", "status.html"],
    },
  },
  plugins: [compressed()],
  server: {
    proxy: {
      "/api": "http://127.0.0.1:8080",
      "/socket.io": { target: "http://127.0.0.1:8080", ws: true },
    },
  },
  test: { include: ["test/**/*.test.ts"] },
} as Parameters<typeof defineConfig>[0]);
