// SPDX-License-Identifier: MIT
// What every browser test needs: Chromium with its own throw-away profile, TAP, and a page that fails the test when the
// console shows an error or the content policy refuses something.
import { createRequire } from "node:module";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
export const BUILD = resolve(ROOT, process.env.FARM_BUILD ?? process.env.O ?? "build");
export const WEB = join(BUILD, "web");
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

let count = 0;
let failed = 0;

export function ok(condition, name, detail = "") {
    count++;
    if (!condition) failed++;
    console.log(`${condition ? "ok" : "not ok"} ${count} - ${name}`);
    if (!condition && detail) console.log(String(detail).replace(/^/gm, "#   "));
    return Boolean(condition);
}

export function equal(got, want, name) {
    return ok(
        JSON.stringify(got) === JSON.stringify(want),
        name,
        `got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`,
    );
}

/** Runs the test's body; prints the plan; a thrown error is a failed test. Sets the exit code. */
export async function test(body, cleanup = async () => {}) {
    try {
        await body();
    } catch (error) {
        ok(false, "the test ran to its end", error.stack);
    } finally {
        await cleanup();
    }
    console.log(`1..${count}`);
    process.exitCode = failed ? 1 : 0;
}

/** Ends the test as skipped, saying why, where something that it needs is not there. */
export function skipUnless(paths) {
    for (const [path, hint] of Object.entries(paths)) {
        if (existsSync(path)) continue;
        console.log(`1..0 # SKIP ${path} is missing: ${hint}`);
        process.exit(0);
    }
}

export function skipWithoutBrowser() {
    skipUnless({
        [CHROMIUM]: "install chromium or set CHROMIUM",
        [join(ROOT, "web/node_modules/playwright-core")]: "run make web",
        [join(WEB, "index.html")]: "run make web",
    });
}

export async function openBrowser() {
    const { chromium } = createRequire(join(ROOT, "web/package.json"))("playwright-core");
    const profile = mkdtempSync(join(tmpdir(), "farm-browser-"));
    const context = await chromium.launchPersistentContext(profile, {
        executablePath: CHROMIUM,
        headless: true,
        args: [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ],
        viewport: { width: 1440, height: 900 },
        acceptDownloads: true,
    });
    const complaints = [];
    const page = await context.newPage();
    page.setDefaultTimeout(15000);
    page.on("console", (message) => {
        // A refused request is logged by the browser itself; the tests that provoke one check what the page says of it.
        if (
            message.type() === "error" &&
            !/Failed to load resource: the server responded with a status of 4/.test(message.text())
        )
            complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(error.stack ?? String(error)));
    await page.addInitScript(() => {
        document.addEventListener("securitypolicyviolation", (e) =>
            console.error(`content policy: ${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`),
        );
    });
    return {
        page,
        context,
        complaints,
        async close() {
            await context.close();
            rmSync(profile, { recursive: true, force: true });
        },
    };
}

/** True when the page is not wider than the window. */
export function fitsWidth(page) {
    return page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);
}

/**
 * What the plot draws, series by series: a canvas cannot be read from the document, so the chart is asked. The plot
 * follows its data a frame later, on a busy machine much later: `until` is what the caller waits for, at most 10 s.
 */
export async function plotOf(page, until = () => true) {
    const end = Date.now() + 10000;
    for (;;) {
        const series = await readPlot(page);
        if ((series.length && until(series)) || Date.now() > end) return series;
        await page.waitForTimeout(50);
    }
}

/** How many points a series of the plot has. */
export function pointsOf(series, id) {
    return series.find((s) => s.id === id)?.points ?? 0;
}

function readPlot(page) {
    return page.evaluate(() => {
        const { chart } = document.querySelector(".plot") ?? {};
        if (!chart) return [];
        return chart
            .getOption()
            .series.filter(Boolean)
            .map((s) => ({
                id: s.id,
                name: s.name,
                type: s.type,
                symbol: s.symbol,
                points: s.data.length,
                fill: s.itemStyle?.color,
                stroke: s.itemStyle?.borderColor,
                pixels: s.type === "scatter" ? s.data.map((d) => chart.convertToPixel({ seriesId: s.id }, d)) : [],
            }));
    });
}
