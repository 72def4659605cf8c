#!/usr/bin/env node
// SPDX-License-Identifier: MIT
// The page in Chromium against the fake API: every thing that a user does, and the states that the real farm shows
// rarely. farm.t does the main path against the real server.
(async () => {
    const { equal, fitsWidth, ok, openBrowser, plotOf, pointsOf, skipWithoutBrowser, test, WEB } =
        await import("./browser.mjs");
    const { startFakeApi } = await import("./fake_api.mjs");
    const { readFile } = await import("node:fs/promises");
    skipWithoutBrowser();

    const fake = await startFakeApi({ web: WEB, points: 40, stepMs: 25 });
    const many = await startFakeApi({ web: WEB, points: 10000 });
    const rivals = await startFakeApi({ web: WEB, points: 40, stepMs: 25 });
    const browser = await openBrowser();
    const { page, complaints } = browser;
    const model = `${fake.url}/#/models/${fake.models[0].id}`;
    const plotSeries = (until) => plotOf(page, until);
    const open = async (url) => {
        await page.goto("about:blank");
        await page.goto(url);
    };
    const file = (name, bytes) => ({ name, mimeType: "application/octet-stream", buffer: Buffer.from(bytes) });
    const number = (text) => Number(text.replaceAll(",", ""));
    const columnOf = (box, index) => box.locator(`tbody tr td:nth-child(${index})`).allInnerTexts();

    await test(
        async () => {
            await open(fake.url);
            await page.getByText("mcunet-vww1").first().waitFor();
            ok(await page.getByText("quarantined").isVisible(), "home: a quarantined rig is shown");
            ok(
                await page.getByText("serial-timeout: no record for 30 s; tried again at 09:30 UTC").isVisible(),
                "home: ... with its reason",
            );
            equal(await page.locator(".board").count(), 6, "home: six boards");

            await page.setInputFiles("#file", file("broken.tflite", "this is not a model"));
            const alert = page.getByRole("alert");
            await alert.waitFor();
            const text = await alert.innerText();
            ok(
                text.includes("broken.tflite") &&
                    text.includes("Not a TFLite model") &&
                    text.includes("identifier TFL3") &&
                    text.includes("bad-model"),
                "upload: a bad file shows title, reason and type of the problem",
                text,
            );
            ok(page.url().endsWith("/") || page.url().endsWith("#/"), "upload: a refused file does not leave the page");

            const dropped = await page.evaluateHandle(() => {
                const data = new DataTransfer();
                data.items.add(new File([new Uint8Array([28, 0, 0, 0, 84, 70, 76, 51, 1, 2, 3])], "dropped.tflite"));
                return data;
            });
            await page.dispatchEvent(".drop", "drop", { dataTransfer: dropped });
            await page.getByRole("heading", { level: 1, name: "dropped" }).waitFor();
            ok(/#\/models\/[0-9a-f]{64}$/.test(page.url()), "upload: a dropped model opens its page");

            // A campaign from the form, watched to its end.
            const form = page.getByRole("form", { name: "New campaign" });
            const small = form.getByLabel("hifive1b");
            await small.check();
            await form.getByRole("button", { name: "Measure" }).click();
            const refusal = await form.getByRole("alert").innerText();
            ok(
                refusal.includes("5344 more than the 14656") &&
                    refusal.includes("Nearest that fits: 9.0 kB, F 1.250, 0-8:rows 9:plain"),
                "campaign: what does not fit is refused with the missing bytes and the nearest that fits",
                refusal,
            );
            await small.uncheck();
            await form.getByLabel("nucleo-f412zg").check();
            await form.getByLabel("Points of each").fill("4");
            await form.getByRole("button", { name: "Measure" }).click();
            await page.waitForURL(/#\/campaigns\/1$/);
            await page.locator(".state-leased").first().waitFor();
            ok(true, "campaign: a running job is seen");
            await page.locator(".campaign-progress .state-done").waitFor();
            equal(
                await page.locator(".campaign-progress .progress-text").innerText(),
                "7 done, 1 failed",
                "campaign: progress counts every job",
            );
            equal(
                fake.requests.filter((r) => r === "GET /campaigns/1/jobs").length,
                1,
                "campaign: progress came as events, not by asking again",
            );
            const failures = await page.locator(".failures").innerText();
            ok(
                failures.includes("flash-failed") && failures.includes("target did not halt within 2000 ms"),
                "campaign: a failure shows type and detail",
                failures,
            );
            equal(
                await page.locator(".failures a").first().getAttribute("href"),
                "/api/v1/jobs/4/log",
                "campaign: a failure links to its log",
            );
            ok(
                !(await page.getByRole("button", { name: "Cancel queued jobs" }).isVisible()),
                "campaign: nothing to cancel when it is done",
            );
            const size = pointsOf;
            const measured = (s) => size(s, "emulated nucleo-f767zi") === 3 && size(s, "hardware nucleo-f412zg") === 4;
            const live = await plotSeries(measured);
            equal(
                [size(live, "emulated nucleo-f767zi"), size(live, "hardware nucleo-f412zg")],
                [3, 4],
                "campaign: measured points fill the plot live, emulated and hardware apart",
            );

            // The model page with those measurements.
            await page.getByRole("link", { name: "dropped" }).click();
            await page.locator(".measure").first().waitFor();
            let series = await plotSeries((s) => measured(s) && size(s, "predicted nucleo-f767zi") === 40);
            equal(
                [
                    size(series, "predicted nucleo-f767zi"),
                    size(series, "emulated nucleo-f767zi"),
                    size(series, "hardware nucleo-f412zg"),
                ],
                [40, 3, 4],
                "plot: predicted and measured points",
            );
            const look = Object.fromEntries(series.map((s) => [s.id, s]));
            ok(
                look["emulated nucleo-f767zi"].symbol === "diamond" &&
                    look["hardware nucleo-f412zg"].symbol === "circle",
                "plot: emulated points have a symbol of their own",
            );
            ok(
                look["emulated nucleo-f767zi"].name.includes("emulated") &&
                    look["hardware nucleo-f412zg"].name.includes("hardware"),
                "plot: the legend says emulated or hardware",
            );
            ok(
                look["predicted nucleo-f767zi"].fill !== look["emulated nucleo-f767zi"].fill &&
                    look["predicted nucleo-f767zi"].stroke === look["emulated nucleo-f767zi"].fill,
                "plot: predicted points are hollow in the board's colour",
            );
            equal(await page.locator(".measure .emulated").count(), 2, "table: emulated measurements are named");

            // Hover and click a measured point.
            const at = look["emulated nucleo-f767zi"].pixels[1];
            const box = await page.locator(".plot").boundingBox();
            await page.mouse.move(box.x + at[0], box.y + at[1]);
            const tip = page.locator(".tip");
            await tip.waitFor();
            const tipText = await tip.innerText();
            ok(
                /emulated/.test(tipText) && /\d B\)/.test(tipText) && /cycles/.test(tipText),
                "plot: the tooltip names emulation, exact bytes and cycles",
                tipText,
            );
            await page.mouse.click(box.x + at[0], box.y + at[1]);
            await page.locator(".block-list > li").first().waitFor();
            const detail = await page.locator(".detail").innerText();
            ok(
                /sets the peak/.test(detail) &&
                    /as predicted/.test(detail) &&
                    /emulated/.test(detail) &&
                    /match/.test(detail),
                "detail: blocks, the peak's block, prediction beside measurement",
                detail,
            );
            ok((await page.locator(".detail a[href$='/log']").count()) > 0, "detail: a link to the log");
            const bars = await page
                .locator(".timeline-bars a")
                .evaluateAll((all) => all.map((a) => a.getBoundingClientRect().height));
            ok(
                bars.length > 5 && Math.max(...bars) > 100 && bars.every((b) => b > 0),
                "detail: the RAM timeline has a bar for each block",
            );
            const column = page.locator(".timeline-bars a.peak svg");
            equal(await column.count(), 1, "detail: one column has the peak");
            ok(
                /^peak [\d,]+ B, set by layer \d+ \(\w+ \d×\d\) in block \d+$/.test(
                    await page.locator(".timeline-peak").innerText(),
                ),
                "detail: the layer that sets the peak is named",
                await page.locator(".timeline-peak").innerText(),
            );
            // The stack is as high as its column exactly where the peak is: the box counts in bytes, 0 is the top.
            const tops = await page
                .locator(".timeline-bars svg")
                .evaluateAll((all) =>
                    all.map((svg) =>
                        Math.min(
                            ...[...svg.querySelectorAll("polygon")].flatMap((p) =>
                                p
                                    .getAttribute("points")
                                    .split(" ")
                                    .map((xy) => Number(xy.split(",")[1])),
                            ),
                        ),
                    ),
                );
            ok(
                tops.filter((y) => y === 0).length === 1 && tops.every((y) => y >= 0),
                "detail: the stack reaches the peak in one block, and never beyond",
                tops.join(" "),
            );
            equal(await page.locator("tr.selected").count(), 1, "table: the clicked point's row is selected");
            await page.locator(".block-list summary").first().click();
            ok(
                (await page.locator(".layers").first().innerText()).includes("40×40×8"),
                "detail: a block opens to its layers",
            );
            const layerRow = await page.locator(".layers tbody tr").first().innerText();
            ok(
                /0\.278 ms\s+60,000\s+\d+\.\d %\s+2\.50/.test(layerRow),
                "detail: what a layer took on the board: ms, cycles, share, instructions a MAC",
                layerRow,
            );
            ok(
                /the interpreter takes [\d,]+ cycles, 25\.0 % on/.test(await page.locator(".blocks").innerText()),
                "detail: the interpreter has a line of its own",
            );

            // Budgets.
            const p1 = () => page.locator("#p1-answer").innerText();
            const before = await p1();
            await page.getByLabel("Largest overhead F").fill("1.3");
            await page.getByLabel("Largest overhead F").press("Tab");
            await page.locator('#p1[aria-valuetext="F 1.30"]').waitFor();
            await page.locator("#p1").focus();
            for (let i = 0; i < 12; i++) await page.keyboard.press("ArrowLeft");
            await page.locator('#p1[aria-valuetext="F 1.18"]').waitFor();
            ok((await p1()) !== before, "budget: the answer moves with the slider");
            const f = Number(/F (\d\.\d+)/.exec(await p1())[1]);
            equal(
                await page.locator("#p1").getAttribute("aria-valuetext"),
                "F 1.18",
                "budget: the slider says its value",
            );
            ok(f <= 1.18 && f > 1.1, "budget P1: the answer obeys the limit", await p1());
            await page.getByLabel("Largest RAM in kB").fill("16");
            await page.getByLabel("Largest RAM in kB").press("Tab");
            await page.waitForFunction(() =>
                /^(1[0-6]|\d)\.\d kB/.test(document.getElementById("p2-answer").innerText),
            );
            ok(true, "budget P2: a typed limit is answered within it");
            await page.getByLabel("Largest RAM in kB").fill("1");
            await page.getByLabel("Largest RAM in kB").press("Tab");
            await page.getByText("Nothing fits: the least is 6.3 kB").waitFor();
            ok(true, "budget P2: an impossible limit says so");
            await page.getByLabel("Largest RAM in kB").fill("30");
            await page.getByLabel("Largest RAM in kB").press("Tab");
            series = await plotSeries((s) => size(s, "answer 2") === 2);
            ok(
                series.find((s) => s.id === "answer 2").points === 2,
                "budget: the answer is ringed in the plot, once for each board shown",
            );

            // Height and RAM as the user counts it.
            await page.locator("select[name=y]").selectOption("overhead");
            const overhead = await plotSeries((s) => size(s, "predicted") === 40);
            equal(size(overhead, "predicted"), 40, "plot: overhead F instead of latency");
            await page.locator("select[name=y]").selectOption("ms");
            const least = await page.locator("#p1-answer .big").innerText();
            await page.locator("select[name=ram]").selectOption("input");
            await page.waitForFunction((old) => document.querySelector("#p1-answer .big").innerText !== old, least);
            ok(
                Math.abs(parseFloat(await page.locator("#p1-answer .big").innerText()) - parseFloat(least) - 19.2) <
                    0.11,
                "a resident input adds its bytes",
            );
            await page.locator("select[name=ram]").selectOption("arena");

            // The table by keyboard alone.
            const table = page.locator(".table-card");
            const macs = table.getByRole("columnheader", { name: "MACs" });
            equal(
                await table.locator("th[aria-sort=ascending]").innerText(),
                "RAM, B",
                "table: sorted by RAM at first",
            );
            await macs.getByRole("button").focus();
            await page.keyboard.press("Enter");
            equal(await macs.getAttribute("aria-sort"), "ascending", "table: Enter on a header sorts");
            let cells = (await columnOf(table, 4)).map(number);
            ok(
                cells.length === 25 && cells.every((c, i) => i === 0 || c >= cells[i - 1]),
                "table: ascending means ascending",
            );
            await page.keyboard.press("Space");
            equal(await macs.getAttribute("aria-sort"), "descending", "table: Space again reverses");
            cells = (await columnOf(table, 4)).map(number);
            ok(
                cells.every((c, i) => i === 0 || c <= cells[i - 1]),
                "table: descending means descending",
            );
            await table.locator(".row-button").first().focus();
            await page.keyboard.press("ArrowDown");
            const row = table.locator("tbody tr").nth(1);
            ok(
                await row.locator(".row-button").evaluate((b) => b === document.activeElement),
                "table: Down moves to the next row",
            );
            await page.keyboard.press("Enter");
            ok(
                (await row.evaluate((r) => r.classList.contains("selected"))) &&
                    (await row.locator(".row-button").getAttribute("aria-pressed")) === "true",
                "table: Enter selects the row",
            );
            ok(
                await row.locator(".row-button").evaluate((b) => b === document.activeElement),
                "table: the focus stays on the row",
            );
            const chosen = (await row.locator(".row-button").innerText()).replace(/^P\d\s*/, "");
            await page.locator(".detail .facts b").first().filter({ hasText: chosen }).waitFor();
            ok(true, "table: the selected row's blocks are shown");
            await table.getByRole("button", { name: "Next" }).focus();
            await page.keyboard.press("Enter");
            ok(
                (await table.locator(".pager").innerText()).includes("26–40 of 40"),
                "table: the second page by keyboard",
            );

            // Exports.
            const save = async (label) => {
                const [saved] = await Promise.all([
                    page.waitForEvent("download"),
                    page.getByRole("button", { name: label, exact: true }).click(),
                ]);
                return { name: saved.suggestedFilename(), bytes: await readFile(await saved.path()) };
            };
            const csv = await save("CSV");
            const lines = csv.bytes.toString().trim().split("\r\n");
            ok(
                csv.name === "dropped.csv" &&
                    lines[0].startsWith("model,spec,arena_bytes") &&
                    lines.filter((l) => l.includes(",emulated,")).length === 3 &&
                    lines.filter((l) => l.includes(",hardware,")).length === 4,
                "export: CSV has every measurement, emulated named",
            );
            const json = JSON.parse((await save("JSON")).bytes);
            equal(json.points.length, 40, "export: JSON has every point");
            const png = await save("PNG");
            equal(png.bytes.subarray(1, 4).toString(), "PNG", "export: PNG");
            const svg = (await save("SVG")).bytes.toString();
            ok(svg.startsWith("<svg") && svg.includes("measured, emulated"), "export: SVG with the legend");

            // Dark mode changes page and plot.
            const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
            const lightGround = await ground();
            const lightTint = (await plotSeries()).find((s) => s.id === "emulated nucleo-f767zi").fill;
            await page.emulateMedia({ colorScheme: "dark" });
            ok((await ground()) !== lightGround, "dark: the page is dark");
            const tint = (list) => list.find((s) => s.id === "emulated nucleo-f767zi").fill;
            ok(
                tint(await plotSeries((s) => tint(s) !== lightTint)) !== lightTint,
                "dark: the plot follows without a reload",
            );

            for (const [name, url] of [
                ["home", fake.url],
                ["model", page.url()],
                ["campaign", `${fake.url}/#/campaigns/1`],
            ]) {
                for (const width of [360, 1600]) {
                    await page.setViewportSize({ width, height: 800 });
                    await open(url);
                    await page
                        .locator(name === "home" ? ".board" : ".table-card tbody tr")
                        .first()
                        .waitFor();
                    if (name !== "home") {
                        await page.locator("#p1-answer button").click();
                        await page.locator(".block-list > li").first().waitFor();
                    }
                    ok(
                        await fitsWidth(page),
                        `${name}: no horizontal scroll at ${width} pixels`,
                        await page.evaluate(() => document.documentElement.scrollWidth),
                    );
                }
            }
            await page.setViewportSize({ width: 1440, height: 900 });

            // Cancelling asks first.
            fake.createCampaign({ model: fake.models[0].id, boards: ["nucleo-f767zi"], points: 40, repeats: 3 });
            await open(`${fake.url}/#/campaigns/2`);
            page.once("dialog", (dialog) => void dialog.accept());
            await page.getByRole("button", { name: "Cancel queued jobs" }).click();
            await page.getByText(/^\d+ jobs cancelled$/).waitFor();
            const words = await page.locator(".campaign-progress .progress-text").innerText();
            ok(/, \d+ cancelled$/.test(words), "campaign: queued jobs are cancelled, not failed", words);

            // Jobs that nobody takes say so: this board's only rig is quarantined, the other has none.
            const stuck = fake.createCampaign({
                model: fake.models[0].id,
                boards: ["esp32s3-devkit", "hifive1b"],
                points: 40,
                repeats: 3,
            });
            await open(`${fake.url}/#/campaigns/${stuck.id}`);
            const waiting = page.locator(".waiting");
            await waiting.getByText("of hifive1b: none is connected").waitFor();
            ok(
                (await waiting.innerText()).includes("of esp32s3-devkit: esp32s3-devkit-0 is quarantined"),
                "campaign: jobs without a rig say what they wait for",
            );

            // A broken stream is taken up again where it ended.
            const cut = fake.createCampaign({
                model: fake.models[0].id,
                boards: ["nucleo-f412zg"],
                points: 30,
                repeats: 3,
            });
            await open(`${fake.url}/#/campaigns/${cut.id}`);
            await page.locator(".state-done").first().waitFor();
            fake.cutStreams();
            await page.locator(".campaign-progress .state-done").waitFor();
            ok(
                /^\d+$/.test(fake.resumes.at(-1)),
                "campaign: after a lost connection the stream resumes with Last-Event-ID",
                fake.resumes.at(-1),
            );

            // A farm with tokens.
            const closed = await startFakeApi({ web: WEB, token: "correct horse battery" });
            await open(closed.url);
            await page.getByLabel("This farm asks for an access token").fill("correct horse battery");
            await page.keyboard.press("Enter");
            await page.getByText("mcunet-vww1").first().waitFor();
            ok(true, "token: asked for once, then used");
            closed.createCampaign({ model: closed.models[0].id, boards: ["nucleo-f767zi"], points: 30, repeats: 1 });
            await open(`${closed.url}/#/campaigns/1`);
            await page.getByText("live", { exact: true }).waitFor();
            const [tab] = await Promise.all([
                browser.context.waitForEvent("page"),
                page.getByRole("link", { name: "log" }).last().click(),
            ]);
            await tab.waitForLoadState();
            ok(
                (await tab.locator("body").innerText()).includes("fake log"),
                "token: a log opens although a plain link would be refused",
            );
            await tab.close();
            closed.close();

            // The home page refreshes itself.
            const slow = await startFakeApi({ web: WEB, stepMs: 400 });
            slow.createCampaign({ model: slow.models[0].id, boards: ["nucleo-f767zi"], points: 40, repeats: 3 });
            await open(slow.url);
            const running = page.getByRole("link", { name: "mcunet-vww1 #1" });
            await running.focus();
            const soFar = await running.innerText();
            await page.waitForFunction(
                (old) => document.querySelector('a[href="#/campaigns/1"]').innerText !== old,
                soFar,
            );
            ok(
                await running.evaluate((a) => a === document.activeElement),
                "home: progress moves on without taking the focus away",
            );
            slow.close();

            // Strategies, side by side.
            await open(`${rivals.url}/#/models/${rivals.models[0].id}`);
            const ways = page.getByRole("form", { name: "New campaign" });
            await ways.locator('input[name="strategy"]').first().waitFor();
            equal(
                await ways.locator('input[name="strategy"]:checked').evaluateAll((all) => all.map((i) => i.value)),
                ["pareto"],
                "strategies: pareto, unless others are chosen",
            );
            await ways.getByLabel("pareto").uncheck();
            await ways.getByRole("button", { name: "Measure" }).click();
            ok(
                (await ways.getByRole("alert").innerText()).includes("at least one strategy"),
                "strategies: none is refused in words",
            );
            for (const name of ["pareto", "vanilla", "mcunetv2"]) await ways.getByLabel(name).check();
            await ways.getByLabel("esp32c3-devkit").check();
            await ways.getByLabel("Points of each").fill("4");
            await ways.getByRole("button", { name: "Measure" }).click();
            await page.locator(".campaign-progress .state-done").waitFor();
            equal(
                await page.locator(".waiting .note").allInnerTexts(),
                [
                    "Nothing of vanilla fits esp32c3-devkit: its smallest configuration needs 159,975 B.",
                    "Nothing of mcunetv2 fits esp32c3-devkit: its smallest configuration needs 26,304 B.",
                ],
                "strategies: what does not fit is named",
            );
            const strategyColumn = (box) =>
                box.evaluate((b) => {
                    const at = [...b.querySelectorAll("th")].findIndex((th) => th.textContent === "Strategy");
                    return [...new Set([...b.querySelectorAll("tbody tr")].map((r) => r.cells[at]?.textContent))];
                });
            equal(
                (await strategyColumn(page.locator(".card").filter({ hasText: "Failure" }).last())).sort(),
                ["mcunetv2", "pareto", "vanilla"],
                "strategies: a column of the jobs",
            );
            await page.getByLabel("esp32c3-devkit").uncheck();
            const compared = await plotSeries(
                (s) =>
                    s.some((x) => x.id === "emulated nucleo-f767zi vanilla") &&
                    !s.some((x) => x.id.startsWith("emulated esp32c3-devkit")),
            );
            const mark = Object.fromEntries(compared.map((s) => [s.id, s]));
            const rivalMarks = ["pareto", "vanilla", "mcunetv2"].map((s) => mark[`emulated nucleo-f767zi ${s}`]);
            equal(new Set(rivalMarks.map((s) => s.symbol)).size, 3, "strategies: each has its shape");
            equal(new Set(rivalMarks.map((s) => s.fill)).size, 3, "strategies: ... on one board also its colour");
            ok(
                rivalMarks.every((s, i) => s.name === `${["pareto", "vanilla", "mcunetv2"][i]}, emulated`),
                "strategies: the legend names them and says emulated",
            );
            ok((await page.locator(".hint").innerText()).includes("Shape: strategy"), "strategies: explained below");
            await page.getByLabel("esp32c3-devkit").check();
            const onTwo = await plotSeries((s) => s.some((x) => x.id === "emulated esp32c3-devkit pareto"));
            equal(
                onTwo
                    .filter((s) => s.id.startsWith("emulated"))
                    .map((s) => s.name)
                    .sort(),
                ["esp32c3-devkit pareto", "nucleo-f767zi mcunetv2", "nucleo-f767zi pareto", "nucleo-f767zi vanilla"].map(
                    (name) => `${name}, emulated`,
                ),
                "strategies: on two boards the legend names board and strategy",
            );
            const two = Object.fromEntries(onTwo.map((s) => [s.id, s]));
            ok(
                two["emulated nucleo-f767zi vanilla"].fill === two["emulated nucleo-f767zi mcunetv2"].fill &&
                    two["emulated nucleo-f767zi vanilla"].fill !== two["emulated esp32c3-devkit pareto"].fill,
                "strategies: ... and the colour is the board's",
            );
            await page.getByRole("link", { name: "mcunet-vww1" }).click();
            await page.locator(".measure").first().waitFor();
            const byModel = await plotSeries((s) => s.some((x) => x.id.endsWith(" vanilla")));
            ok(
                byModel.some((s) => s.id.endsWith(" mcunetv2")),
                "strategies: the model page shows them too",
            );

            // Predictions alone.
            await open(model);
            await page.locator(".measure").first().waitFor();
            await page.locator("select[name=y]").selectOption("predicted");
            const guessed = await plotSeries((s) => size(s, "predicted nucleo-f767zi") === 50);
            ok(
                guessed.every((s) => !/^(emulated|hardware)/.test(s.id)) && guessed.some((s) => s.id === "selected"),
                "predicted ms: nothing that was measured is in the plot",
                guessed.map((s) => s.id).join(" "),
            );
            equal(
                size(guessed, "predicted nucleo-f767zi"),
                50,
                "predicted ms: the front of predicted latency joins the front of MACs",
            );
            const axis = () =>
                page.evaluate(() => document.querySelector(".plot").chart.getOption().yAxis.map((y) => y.name));
            equal(await axis(), ["predicted latency, ms"], "predicted ms: the axis says that it is predicted");
            const caveat = await page.locator(".plot-foot .hint").innerText();
            ok(
                caveat.includes("nothing measured") &&
                    caveat.includes("nucleo-f767zi by 4.5 % in the median, 14.7 % at worst (20 configurations)"),
                "predicted ms: how far off the predictions were is told",
                caveat,
            );
            await page.locator(".picks").getByLabel("hifive1b").check();
            await page.getByText("No latency model yet for hifive1b: the plot shows the other boards only.").waitFor();
            for (const board of await page.locator(".picks label:has(:checked)").allInnerTexts())
                if (board.trim() !== "hifive1b") await page.locator(".picks").getByLabel(board.trim()).uncheck();
            await page.getByText("No latency model yet for hifive1b: the plot shows overhead F.").waitFor();
            await plotSeries((s) => s.some((x) => x.id === "predicted"));
            equal(
                await axis(),
                ["overhead F = MACs ÷ plain MACs"],
                "predicted ms: a board without a latency model shows its work",
            );

            // Ten thousand points.
            const start = Date.now();
            await open(`${many.url}/#/models/${many.models[0].id}`);
            await page.getByText("of 10,000").waitFor();
            const loaded = Date.now() - start;
            ok(loaded < 15000, "10,000 points: shown within 15 s, also on a busy machine", `${loaded} ms`);
            console.log(`# 10,000 points shown after ${loaded} ms`);
            const frame = await page.evaluate(async () => {
                const slider = document.getElementById("p1");
                const times = [];
                for (let i = 0; i < 8; i++) {
                    slider.value = String(110 + i * 5);
                    const from = performance.now();
                    slider.dispatchEvent(new Event("input", { bubbles: true }));
                    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
                    times.push(performance.now() - from);
                }
                return times.sort((a, b) => a - b)[4];
            });
            console.log(`# 10,000 points: a step of the slider takes ${frame.toFixed(0)} ms (median)`);
            ok(frame < 2000, "10,000 points: the slider stays usable, also on a busy machine", `${frame} ms`);
            const dot = (await plotSeries()).find((s) => s.id === "predicted nucleo-f767zi");
            const area = await page.locator(".plot").boundingBox();
            await page.mouse.click(area.x + dot.pixels[5000][0], area.y + dot.pixels[5000][1]);
            await page.locator(".block-list > li").first().waitFor();
            ok(true, "10,000 points: a click still finds its point");

            await open(`${fake.url}/#/models/${"0".repeat(64)}`);
            ok((await page.getByRole("alert").innerText()).includes("Not found"), "an unknown model says so");
            await open(model);
            await page.locator(".table-card tbody tr").first().waitFor();
            const shift = await page.evaluate(
                () =>
                    new Promise((done) => {
                        let sum = 0;
                        new PerformanceObserver((list) =>
                            list.getEntries().forEach((e) => (sum += e.hadRecentInput ? 0 : e.value)),
                        ).observe({ type: "layout-shift", buffered: true });
                        setTimeout(() => done(sum), 600);
                    }),
            );
            ok(shift < 0.1, "the layout does not jump while loading", shift);
            console.log(`# cumulative layout shift ${shift.toFixed(3)}`);

            equal(complaints, [], "no console error, no refusal by the content policy");
        },
        async () => {
            await browser.close();
            fake.close();
            many.close();
            rivals.close();
        },
    );
})();
