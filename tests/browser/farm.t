#!/usr/bin/env node
// SPDX-License-Identifier: MIT
// The page with a real farm: farm-server, farm-agent and one virtual board that OpenOCD flashes. A model goes in by the
// upload button, is measured, and its measured points are found, opened and exported.
(async () => {
    const {
        BUILD,
        equal,
        fitsWidth,
        ok,
        openBrowser,
        plotOf,
        pointsOf,
        ROOT,
        skipUnless,
        skipWithoutBrowser,
        test,
        WEB,
    } = await import("./browser.mjs");
    const { spawn } = await import("node:child_process");
    const { appendFileSync, mkdtempSync, readFileSync, rmSync } = await import("node:fs");
    const { readFile } = await import("node:fs/promises");
    const { tmpdir } = await import("node:os");
    const { join, resolve } = await import("node:path");

    const BIN = resolve(ROOT, process.env.FARM_BIN ?? join(BUILD, "host/bin"));
    const FIRMWARE = resolve(ROOT, process.env.FARM_FIRMWARE ?? join(BUILD, "firmware"));
    const BOARD = "nucleo-f767zi";
    const MODEL = join(BUILD, "models/tiny_mbv2.tflite");
    const POINTS = 4;
    skipWithoutBrowser();
    skipUnless({
        [join(BIN, "farm-server")]: "run make",
        [join(BIN, "farm-agent")]: "run make",
        [join(BIN, "farm-vboard")]: "run make",
        [join(FIRMWARE, BOARD, "firmware.elf")]: "run make firmware",
        [MODEL]: "run make models",
        "/usr/bin/openocd": "install openocd",
    });

    const dir = mkdtempSync(join(tmpdir(), "farm-page-"));
    const children = [];
    const start = (name, args) => {
        const child = spawn(join(BIN, name), args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
        child.stderr.on("data", (text) => appendFileSync(join(dir, `${name}.log`), text));
        children.push({ name, child, ended: new Promise((done) => child.once("exit", done)) });
        return child;
    };
    // However the test ends, nothing of it stays: an agent stops its boards when it is told to end.
    process.once("exit", () => children.forEach(({ child }) => child.exitCode === null && child.kill("SIGTERM")));
    for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
    const startServer = () =>
        new Promise((done, fail) => {
            const child = start("farm-server", [
                "--listen",
                "127.0.0.1:0",
                "--data",
                join(dir, "data"),
                "--boards",
                "firmware/boards",
                "--web",
                WEB,
            ]);
            let said = "";
            child.stdout.on("data", (text) => {
                said += text;
                const url = /"url"\s*:\s*"([^"]+)"/.exec(said);
                if (url) done(url[1]);
            });
            child.once("exit", (code) => fail(new Error(`farm-server ended with ${code}`)));
            setTimeout(() => fail(new Error("farm-server is not ready after 20 s")), 20000).unref();
        });
    const stopAll = async () => {
        for (const { child, ended } of children.reverse()) {
            child.kill("SIGTERM");
            const force = setTimeout(() => child.kill("SIGKILL"), 15000);
            await ended;
            clearTimeout(force);
        }
    };

    let browser = null;
    let passed = false;
    await test(
        async () => {
            const url = await startServer();
            browser = await openBrowser();
            const { page, complaints } = browser;
            await page.goto(url);
            await page.getByText("no rig connected").first().waitFor();
            ok(true, "home: a board without a rig says so");
            await page.setInputFiles("#file", {
                name: "broken.tflite",
                mimeType: "application/octet-stream",
                buffer: Buffer.from("this is not a model at all, whatever its name says"),
            });
            const refused = await page.getByRole("alert").innerText();
            ok(
                /bad-model/.test(refused) && refused.split("\n").length >= 3,
                "upload: the server's own problem text is shown",
                refused,
            );

            start("farm-agent", [
                "--server",
                url,
                "--firmware",
                FIRMWARE,
                "--boards",
                "firmware/boards",
                "--virtual",
                `${BOARD}:1`,
                "--name",
                "page",
            ]);
            await page.locator(".rigs .state-idle").waitFor({ timeout: 40000 });
            ok(
                (await page.locator(".rigs").first().innerText()).includes("page"),
                "home: the agent's rig appears by itself",
            );

            await page.setInputFiles("#file", MODEL);
            await page.getByRole("heading", { level: 1, name: "tiny_mbv2" }).waitFor({ timeout: 30000 });
            await page.locator(".table-card tbody .row-button").first().waitFor();
            const rows = await page.locator(".table-card tbody tr").count();
            ok(rows > 3, "model: the front is listed before anything was measured", rows);
            const form = page.getByRole("form", { name: "New campaign" });
            const chosen = await form
                .locator("input[name=board]:checked")
                .evaluateAll((all) => all.map((b) => b.value));
            equal(chosen, [BOARD], "model: the board that has a rig is chosen to measure on");
            await form.getByLabel("Points of each").fill(String(POINTS));
            await form.getByRole("button", { name: "Measure" }).click();
            await page.waitForURL(/#\/campaigns\/\d+$/);
            await page.locator(".campaign-progress .state-running, .campaign-progress .state-done").waitFor();
            await page.locator(".campaign-progress .state-done").waitFor({ timeout: 120000 });
            equal(
                await page.locator(".campaign-progress .progress-text").innerText(),
                `${POINTS} done`,
                "campaign: every job is done",
            );
            const all = (series) => pointsOf(series, `emulated ${BOARD}`) === POINTS;
            equal(
                pointsOf(await plotOf(page, all), `emulated ${BOARD}`),
                POINTS,
                "campaign: the plot filled in without a reload",
            );

            await page.getByRole("link", { name: "tiny_mbv2" }).click();
            await page.locator(".measure .emulated").first().waitFor();
            const dots = (await plotOf(page, all)).find((s) => s.id === `emulated ${BOARD}`);
            const box = await page.locator(".plot").boundingBox();
            await page.mouse.click(box.x + dots.pixels[1][0], box.y + dots.pixels[1][1]);
            await page.locator(".block-list > li").first().waitFor();
            const detail = await page.locator(".detail").innerText();
            ok(
                /as predicted/.test(detail) &&
                    /match, CRC-32 [0-9a-f]{8}/.test(detail) &&
                    /emulated/.test(detail) &&
                    /time, by measured cycles/.test(detail),
                "detail: arena as predicted, output matches, emulation named, blocks timed",
                detail,
            );
            const log = await (
                await fetch(url + (await page.locator(".detail a[href$='/log']").first().getAttribute("href")))
            ).text();
            ok(log.length > 0, "detail: the job's log is there");
            const [saved] = await Promise.all([
                page.waitForEvent("download"),
                page.getByRole("button", { name: "CSV", exact: true }).click(),
            ]);
            const emulated = (await readFile(await saved.path()))
                .toString()
                .split("\r\n")
                .filter((l) => l.includes(",emulated,"));
            equal(emulated.length, POINTS, "export: every measurement is in the CSV, as emulated");
            for (const width of [360, 1600]) {
                await page.setViewportSize({ width, height: 800 });
                ok(await fitsWidth(page), `no horizontal scroll at ${width} pixels`);
            }
            equal(complaints, [], "no console error, no refusal by the server's content policy");
            passed = true;
        },
        async () => {
            await browser?.close();
            await stopAll();
            if (!passed)
                for (const { name } of children)
                    try {
                        console.log(
                            readFileSync(join(dir, `${name}.log`), "utf8")
                                .split("\n")
                                .slice(-25)
                                .join("\n")
                                .replace(/^/gm, `# ${name}: `),
                        );
                    } catch {
                        /* it said nothing */
                    }
            rmSync(dir, { recursive: true, force: true });
        },
    );
})();
