#!/usr/bin/env node
// SPDX-License-Identifier: MIT
// The page's pure functions (numbers, fronts, budgets, CSV, configurations), compiled as the page is and called in node.
(async () => {
    const { equal, ok, ROOT, skipUnless, test } = await import("./browser.mjs");
    const { createRequire } = await import("node:module");
    const { mkdtempSync, rmSync } = await import("node:fs");
    const { tmpdir } = await import("node:os");
    const { join } = await import("node:path");
    const { pathToFileURL } = await import("node:url");

    const web = join(ROOT, "web");
    skipUnless({ [join(web, "node_modules/vite")]: "run make web" });
    const { build } = await import(pathToFileURL(createRequire(join(web, "package.json")).resolve("vite")));
    const outDir = mkdtempSync(join(tmpdir(), "farm-pure-"));
    const names = ["format", "pareto", "csv", "spec", "points", "sse", "strategies"];
    await build({
        root: web,
        configFile: false,
        logLevel: "error",
        publicDir: false,
        build: {
            ssr: true,
            outDir,
            rolldownOptions: {
                input: Object.fromEntries(names.map((n) => [n, join(web, `src/${n}.ts`)])),
                output: { entryFileNames: "[name].mjs" },
            },
        },
    });
    const [format, pareto, csv, spec, points, sse, strategies] = await Promise.all(
        names.map((n) => import(pathToFileURL(join(outDir, `${n}.mjs`)))),
    );

    await test(
        async () => {
            equal(format.kb(10576), "10.6 kB", "kB is 1000 bytes, one decimal");
            equal(format.kb(1234567), "1,234.6 kB", "kB are grouped");
            equal(format.kb(null), "–", "an unknown size is a dash");
            equal(format.exactBytes(161472), "161,472 B", "exact bytes");
            equal(
                [0.0421, 4.213, 42.13, 421.3, 4213, 0].map(format.ms),
                ["0.0421 ms", "4.21 ms", "42.1 ms", "421 ms", "4,213 ms", "0 ms"],
                "milliseconds keep three digits",
            );
            equal(format.count("12345678901234567890"), "12,345,678,901,234,567,890", "64-bit counts stay exact");
            equal(format.count(-1234), "-1,234", "negative counts");
            equal([950, "11578816", 4.4e9].map(format.short), ["950", "11.6 M", "4.4 G"], "short counts");
            equal(
                [
                    format.difference(103, 100),
                    format.difference(99.5, 100),
                    format.difference(5, 5),
                    format.difference(5, null),
                ],
                ["+3.0 %", "−0.5 %", "exact", "–"],
                "differences",
            );
            equal(
                [format.saving(9996, 77800), format.saving(5, 5), format.saving(12, 10)],
                ["87 % less than unfused", "as much as unfused", "20 % more than unfused"],
                "savings",
            );
            const now = Date.parse("2025-03-01T12:00:00Z");
            equal(
                [
                    "2025-03-01T11:59:50.000Z",
                    "2025-03-01T11:30:00Z",
                    "2025-03-01T02:00:00Z",
                    "2025-01-01T00:00:00Z",
                    null,
                ].map((t) => format.ago(t, now)),
                ["just now", "30 min ago", "10 h ago", "2025-01-01", "–"],
                "ages",
            );
            equal([format.plural(1, "job"), format.plural(2000, "job")], ["1 job", "2,000 jobs"], "plurals");

            const cloud = [
                [5, 9],
                [1, 10],
                [3, 4],
                [3, 5],
                [4, 4],
                [9, 1],
                [2, 11],
                [6, NaN],
            ].map(([x, y]) => ({ x, y }));
            const front = pareto.frontOf(
                cloud,
                (p) => p.x,
                (p) => p.y,
            );
            equal(
                front.map((p) => [p.x, p.y]),
                [
                    [1, 10],
                    [3, 4],
                    [9, 1],
                ],
                "the front leaves out dominated, duplicate and unknown points",
            );
            const random = Array.from({ length: 500 }, (_, i) => ({ x: (i * 7919) % 503, y: (i * 104729) % 499 }));
            const brute = random.filter(
                (p) => !random.some((q) => q !== p && q.x <= p.x && q.y <= p.y && (q.x < p.x || q.y < p.y)),
            );
            equal(
                pareto.frontOf(
                    random,
                    (p) => p.x,
                    (p) => p.y,
                ).length,
                new Set(brute.map((p) => `${p.x} ${p.y}`)).size,
                "the front agrees with a comparison of all pairs",
            );
            equal(
                pareto.leastWithin(
                    front,
                    (p) => p.x,
                    (p) => p.y,
                    4,
                ),
                { x: 3, y: 4 },
                "P1: least RAM within the limit, limit included",
            );
            equal(
                pareto.leastWithin(
                    front,
                    (p) => p.y,
                    (p) => p.x,
                    8,
                ),
                { x: 3, y: 4 },
                "P2: least compute within the limit",
            );
            equal(
                pareto.leastWithin(
                    front,
                    (p) => p.x,
                    (p) => p.y,
                    0.5,
                ),
                null,
                "no answer when nothing is within the limit",
            );
            const scale = pareto.logScale(6304, 161472, 1000);
            ok(
                Math.abs(scale.valueAt(0) - 6304) < 1e-6 && Math.abs(scale.valueAt(1000) - 161472) < 1e-6,
                "the RAM slider ends at the front's ends",
            );
            ok(Math.abs(scale.positionOf(scale.valueAt(321)) - 321) < 1e-9, "slider position and value are inverse");
            equal(pareto.logScale(5, 5, 10).positionOf(5), 0, "a slider over one value does not divide by zero");

            equal(
                pareto.logTicks(5.6, 157, 9),
                [6, 8, 10, 15, 20, 30, 40, 60, 80, 100, 150],
                "axis: round values over a wide span",
            );
            equal(
                pareto.logTicks(5.9, 14.2, 9),
                [6, 7, 8, 9, 10, 11, 12, 13, 14],
                "axis: even steps over a short span",
            );
            equal(
                pareto.logTicks(12.68, 12.73, 9).every((t) => t >= 12.68 && t <= 12.73),
                true,
                "axis: a very short span keeps within it",
            );
            equal(
                [pareto.logTicks(0, 5, 5), pareto.logTicks(7, 7, 5)],
                [[], []],
                "axis: no ticks where there is no span",
            );

            equal(
                csv.toCsv(
                    ["a", "b"],
                    [
                        [1, null],
                        ['say "hi"', "x,y\nz"],
                    ],
                ),
                'a,b\r\n1,\r\n"say ""hi""","x,y\nz"\r\n',
                "CSV quoting",
            );
            equal(
                csv.toCsv(["a"], [["=1+1"], [-5]]),
                "a\r\n'=1+1\r\n-5\r\n",
                "a name cannot become a spreadsheet formula; numbers stay",
            );

            equal(
                spec.parseSpec("0-8:rows 9:plain 10-20:cols4"),
                [
                    { first: 0, last: 8, schedule: "rows" },
                    { first: 9, last: 9, schedule: "plain" },
                    { first: 10, last: 20, schedule: "cols4" },
                ],
                "a configuration is parsed",
            );
            equal(
                spec.describeSpec("0-8:cells(0-2:cols1,3-8:groups8x2x6) 9-11:groups4 12:plain output:outside"),
                "0–8 cells(0-2:cols1,3-8:groups8x2x6) · 9–11 groups4 · 1 plain",
                "cells and groups",
            );
            equal(spec.parseSpec("0-8 rows"), null, "text that is no configuration is refused");
            equal(
                spec.describeSpec("0-8:rows 9:plain 10-12:plain 13:cols4"),
                "0–8 rows · 13 cols4 · 4 plain",
                "a configuration in one line",
            );
            equal(spec.describeSpec("???"), "???", "an unknown text is shown as it is");

            const stream =
                ': hello\n\nid: 7\nevent: job\ndata: {"a":\ndata: 1}\n\nid: 8\r\nevent: campaign\r\ndata:x\r\n\r\nretry: 5\n\n';
            const want = [
                { id: "7", event: "job", data: '{"a":\n1}' },
                { id: "8", event: "campaign", data: "x" },
            ];
            equal(new sse.EventParser().feed(stream), want, "an event stream is read");
            let same = 0;
            for (let cut = 0; cut <= stream.length; cut++) {
                const parser = new sse.EventParser();
                if (
                    JSON.stringify([...parser.feed(stream.slice(0, cut)), ...parser.feed(stream.slice(cut))]) ===
                    JSON.stringify(want)
                )
                    same++;
            }
            equal(same, stream.length + 1, "... wherever the network cuts it");

            const set = new points.PointSet();
            set.addFront("b1", [
                {
                    spec: "0:rows",
                    arena_bytes: 100,
                    macs: "5",
                    overhead: 1,
                    input_streamed: true,
                    input_bytes: 7,
                    blocks: 1,
                    predicted_ms: 2,
                    fits: false,
                },
            ]);
            const result = {
                id: 3,
                job: 1,
                spec: "0:rows",
                board: "b1",
                arena_bytes: 100,
                ms: 2.5,
                cycles: { min: "1", median: "2", max: "3" },
                emulated: true,
                output: "match",
            };
            set.addResult(result);
            set.addResult({ ...result, id: 2, ms: 9 });
            set.addResult({ ...result, id: 4, ms: 1, output: "mismatch" });
            set.addResult({ ...result, id: 5, ms: 3, emulated: false });
            const point = set.get("0:rows");
            equal(
                point.measured.map((m) => [m.result, m.emulated]),
                [
                    [3, true],
                    [5, false],
                ],
                "the newest result counts; wrong outputs never; emulated and hardware stay apart",
            );
            ok(
                point.does_not_fit.has("b1") && point.predicted_ms.get("b1") === 2,
                "prediction and fit are kept for the board",
            );
            equal(points.ramOf(point, true), 107, "RAM with a resident input");
            ok(
                points.measuredName(true).includes("emulated") && !points.measuredName(false).includes("emulated"),
                "emulated results are named so",
            );

            const chose = (...names) => ({ strategies: new Set(names) });
            const apart = (list) => strategies.strategiesOf(list).map((s) => s.name);
            equal(apart([chose("pareto"), chose()]), [], "the front alone, or chosen points, need no strategies");
            equal(
                apart([chose(), chose("vanilla", "pareto"), chose("msfcnn")]),
                ["pareto", "vanilla", "msfcnn", "named"],
                "several strategies are told apart, points that were asked for too",
            );
            const all = strategies.strategiesOf([
                chose("pareto", "vanilla", "mcunetv2", "streamnet", "msfcnn", "msfcnn-paper"),
                chose(),
            ]);
            equal(
                [new Set(all.map((s) => s.symbol)).size, new Set(all.map((s) => s.colour)).size],
                [7, 7],
                "each has a shape and a colour of its own",
            );
            const named = all.at(-1);
            ok(
                strategies.belongs(chose(), named) && !strategies.belongs(chose("pareto"), named),
                "a point that nobody chose was asked for",
            );
            equal(strategies.strategyNames([]), "asked for", "... and is called so");
        },
        async () => rmSync(outDir, { recursive: true, force: true }),
    );
})();
