#!/usr/bin/env node
// SPDX-License-Identifier: MIT
// The nightly pages against the real server, with the first nights of a simulated history (tests/history): verdict, heat
// grid, triage, a series, two nights compared, and a run that is started and cancelled by hand.
(async () => {
    const { BUILD, equal, fitsWidth, ok, openBrowser, ROOT, skipUnless, skipWithoutBrowser, test, WEB } =
        await import("./browser.mjs");
    const { execFileSync, spawn } = await import("node:child_process");
    const { mkdirSync, mkdtempSync, rmSync, writeFileSync } = await import("node:fs");
    const { tmpdir } = await import("node:os");
    const { join, resolve } = await import("node:path");

    const BIN = resolve(ROOT, process.env.FARM_BIN ?? join(BUILD, "host/bin"));
    const BOARDS = ["nucleo-f767zi", "stm32f746g-disco", "nucleo-f412zg", "esp32s3-devkit", "esp32c3-devkit", "hifive1b"];
    const NIGHTS = 24; // a slower kernel comes with the 20th
    skipWithoutBrowser();
    skipUnless({ [join(BIN, "farm-server")]: "run make", [join(BIN, "nightly-history")]: "run make" });

    const dir = mkdtempSync(join(tmpdir(), "farm-nightly-"));
    mkdirSync(join(dir, "plans"));
    writeFileSync(
        join(dir, "plans/lab.json"),
        JSON.stringify({
            title: "The lab",
            schedule: { cron: "0 2 1 1 *", timezone: "Europe/Vienna" },
            models: [{ network: "lenet5" }],
            boards: BOARDS,
            configurations: [{ strategy: "vanilla" }],
            owners: ["kernels team"],
        }),
    );
    writeFileSync(join(dir, "plans/broken.json"), '{"title":"Broken","repeats":-1}');
    writeFileSync(join(dir, "clock"), String(Date.UTC(2026, 5, 1))); // after the last night
    let server = null;
    process.once("exit", () => server?.kill("SIGKILL"));
    for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
    const startServer = () =>
        new Promise((done, fail) => {
            const args = ["--listen", "127.0.0.1:0", "--data", join(dir, "data"), "--boards", "firmware/boards"];
            args.push("--plans", join(dir, "plans"), "--clock", join(dir, "clock"));
            server = spawn(join(BIN, "farm-server"), [...args, "--web", WEB], {
                cwd: ROOT,
                stdio: ["ignore", "pipe", "ignore"],
            });
            let said = "";
            server.stdout.on("data", (text) => {
                said += text;
                const url = /"url"\s*:\s*"([^"]+)"/.exec(said);
                if (url) done(url[1]);
            });
            server.once("exit", (code) => fail(new Error(`farm-server ended with ${code}`)));
        });

    let browser = null;
    await test(
        async () => {
            const url = await startServer();
            const api = async (path) => (await fetch(`${url}/api/v1${path}`)).json();
            browser = await openBrowser();
            const { page, complaints } = browser;
            const open = async (hash) => {
                await page.goto("about:blank");
                await page.goto(`${url}/${hash}`);
            };

            await open("#/nightly/lab");
            await page.getByText("No night yet.").waitFor();
            ok(true, "a plan that never ran says so");
            await open("#/nightly/broken");
            await page.getByText("This plan does not run").waitFor();
            ok(/field “.+”/.test(await page.locator(".note").innerText()), "a wrong plan names its field");

            const history = execFileSync(join(BIN, "nightly-history"), ["1"], { maxBuffer: 1 << 28 });
            for (const body of history.toString().trim().split("\n").slice(0, NIGHTS)) {
                const reply = await fetch(`${url}/api/v1/plans/lab/import`, {
                    method: "POST",
                    headers: { "Content-Type": "application/json" },
                    body,
                });
                if (reply.status !== 201) throw new Error(`import: ${reply.status} ${await reply.text()}`);
            }
            const runs = (await api(`/plans/lab/runs?limit=${NIGHTS}`)).items;
            const last = await api(`/runs/${runs[0].id}`);

            await open("#/nightly");
            await page.locator(".verdict-line").waitFor();
            equal(
                await page.locator(".verdict-line").innerText(),
                `${last.regressions} regressions on nucleo-f767zi.`,
                "verdict: how many regressions, and where",
            );
            ok(
                (await page.locator(".verdict").innerText()).includes("imported: measured elsewhere"),
                "verdict: an imported run is named as one",
            );
            equal(await page.locator(".tick").count(), NIGHTS, "history: a mark for each night");
            equal(await page.locator(".tick-bad").count(), NIGHTS - 19, "history: red since the twentieth");
            equal(await page.locator(".heat-grid button").count(), last.grid.length, "grid: a cell for each model and board");
            for (const look of new Set(last.grid.map((c) => c.look)))
                equal(
                    await page.locator(`.heat-grid .heat-${look}`).count(),
                    last.grid.filter((c) => c.look === look).length,
                    `grid: ${look} has its own look`,
                );
            const lost = page.locator(".finding.notice", { hasText: "infrastructure" }).first();
            const lostText = await lost.innerText();
            ok(
                /first bad/.test(lostText) && !/old → new|changed/.test(lostText),
                "triage: a lost point is neither an alarm nor good news, and has no values to compare",
                lostText,
            );
            const all = await page.locator(".triage-card > div > .triage > li").count();
            await page.getByRole("button", { name: /^simulated-kws on nucleo-f767zi: regression/ }).click();
            const some = await page.locator(".triage-card > div > .triage > li").count();
            ok(some > 0 && some < all, "grid: a cell picks its findings", `${some} of ${all}`);
            await page.getByRole("button", { name: /^simulated-kws on nucleo-f767zi/ }).click();

            const slower = page.locator(".finding.alarm", { hasText: "slower" }).first();
            const text = await slower.innerText();
            ok(
                /\+\d+\.\d\d %/.test(text) && /first bad\s+run 20,/.test(text) && /changed\s+firmware/.test(text),
                "triage: percent, first bad run, what changed",
                text,
            );
            await slower.locator(".finding-actions summary").first().click();
            await slower.getByLabel("Owner").first().fill("Ada");
            await slower.getByLabel("Note").first().fill("the new loop; being looked at");
            await slower.getByRole("button", { name: "Acknowledge" }).first().click();
            await page.locator(".finding.quieted", { hasText: "Ada" }).first().waitFor();
            const known = (await api("/findings?plan=lab&state=acknowledged")).items;
            ok(
                known.length > 0 && known.every((f) => f.owner === "Ada" && f.kind === "slower" && f.note.includes("loop")),
                "triage: acknowledged with owner and note, all of the group",
                JSON.stringify(known[0]),
            );

            const series = known[0].series;
            await open(`#/series/${series}`);
            await page.locator(".series-plot canvas").waitFor();
            const plotted = () =>
                page.evaluate(() =>
                    document
                        .querySelector(".series-plot")
                        .chart.getOption()
                        .series.map((s) => [s.id, s.data.length]),
                );
            const points = (await api(`/series/${series}`)).points.filter((p) => p.rerun === 0 && p.ms !== null);
            equal(Object.fromEntries(await plotted()).points, points.length, "series: every raw point is drawn");
            ok(Object.fromEntries(await plotted()).median > 10, "series: ... and the median with its band");
            ok((await page.locator(".changes tbody tr").count()) > 1, "series: steps and markers are listed");
            await page.getByLabel("RAM", { exact: true }).check();
            ok(Object.fromEntries(await plotted()).steps === points.length, "series: RAM as steps");
            await page.getByLabel("Let its history begin anew with").selectOption(String(runs[2].id));
            await page.getByRole("button", { name: "Reset the baseline" }).click();
            await page.getByText("The history begins anew there.").waitFor();
            ok(
                (await api(`/series/${series}`)).points.some((p) => p.run === runs[2].id && p.baseline),
                "series: the baseline is reset",
            );

            await open(`#/runs/${runs[NIGHTS - 19].id}/compare/${runs[0].id}`);
            await page.locator(".fronts-plot canvas").waitFor();
            const title = await page.locator("#fronts-title").innerText();
            ok(/^simulated-(kws|vww) on nucleo-f767zi$/.test(title), "compare: what got worse most comes first", title);
            const ids = await page.evaluate(() =>
                document
                    .querySelector(".fronts-plot")
                    .chart.getOption()
                    .series.map((s) => [s.id, s.data.length]),
            );
            equal(
                ids.map(([id, n]) => `${id} ${n > 3}`),
                ["front before true", "front after true", "before true", "after true"],
                "compare: both fronts and their points",
            );
            await page.getByLabel("after", { exact: true }).selectOption(String(runs[5].id));
            await page.waitForURL(new RegExp(`/compare/${runs[5].id}$`));
            ok(true, "compare: another night is chosen");

            for (const [hash, wait] of [
                ["#/nightly", ".heat-grid"],
                [`#/series/${series}`, ".series-plot canvas"],
                [`#/runs/${runs[5].id}/compare/${runs[0].id}`, ".fronts-plot canvas"],
            ]) {
                await page.setViewportSize({ width: 360, height: 800 });
                await open(hash);
                await page.locator(wait).first().waitFor();
                ok(await fitsWidth(page), `${hash.split("/")[1]}: fits a phone`);
            }
            await page.setViewportSize({ width: 1440, height: 900 });

            await open("#/nightly/lab");
            await page.getByRole("button", { name: "Run now" }).click();
            await page.getByRole("button", { name: "Cancel the run" }).waitFor();
            ok(/is (being planned|running)/.test(await page.locator(".verdict-line").innerText()), "a run by hand starts");
            await page.locator(".heat-running").first().waitFor({ timeout: 20000 });
            ok(true, "... and its grid appears by itself");
            await page.getByRole("button", { name: "Cancel the run" }).click();
            await page.getByText("This run was cancelled.").waitFor();
            ok(true, "... and is cancelled");
            await page.getByRole("button", { name: "Run now" }).click();
            await page.getByRole("button", { name: "Cancel the run" }).waitFor();
            const { running } = (await api("/plans")).items.find((p) => p.name === "lab");
            await fetch(`${url}/api/v1/runs/${running}`, { method: "DELETE" });
            await page.getByRole("button", { name: "Run now" }).waitFor();
            ok(true, "a run that ends while it is watched can be followed by another");
            equal(complaints, [], "no error in the console, nothing refused by the content policy");
        },
        async () => {
            await browser?.close();
            server?.removeAllListeners("exit");
            if (server && server.exitCode === null) {
                const ended = new Promise((done) => server.once("exit", done));
                server.kill("SIGTERM");
                await ended;
            }
            rmSync(dir, { recursive: true, force: true });
        },
    );
})();
