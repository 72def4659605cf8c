// SPDX-License-Identifier: MIT
// A FAKE of farm-server's REST API, for the page's own tests only: nothing it says is a measurement. It lets a test see
// states that are rare or slow on the real farm (a failed job, a refused model, ten thousand points, hardware beside
// emulated boards) and serves the built page under the same content policy as farm-server.
//   const fake = await startFakeApi({ web: "build/web" });  fake.url, fake.close()
import { createServer } from "node:http";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";

const CSP = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
const TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
};

export const BOARDS = [
    {
        id: "nucleo-f767zi",
        name: "NUCLEO-F767ZI",
        core: "Cortex-M7",
        clock_hz: 216e6,
        ram_bytes: 524288,
        flash_bytes: 2097152,
    },
    {
        id: "stm32f746g-disco",
        name: "STM32F746G-DISCO",
        core: "Cortex-M7",
        clock_hz: 216e6,
        ram_bytes: 327680,
        flash_bytes: 1048576,
    },
    {
        id: "nucleo-f412zg",
        name: "NUCLEO-F412ZG",
        core: "Cortex-M4",
        clock_hz: 100e6,
        ram_bytes: 262144,
        flash_bytes: 1048576,
    },
    {
        id: "esp32s3-devkit",
        name: "ESP32-S3-DevKitC",
        core: "Xtensa LX7",
        clock_hz: 240e6,
        ram_bytes: 524288,
        flash_bytes: 8388608,
    },
    {
        id: "esp32c3-devkit",
        name: "ESP32-C3-DevKitM",
        core: "RV32IMC",
        clock_hz: 160e6,
        ram_bytes: 393216,
        flash_bytes: 4194304,
    },
    {
        id: "hifive1b",
        name: "HiFive1 Rev B",
        core: "RV32IMAC",
        clock_hz: 320e6,
        ram_bytes: 16384,
        flash_bytes: 4194304,
    },
];
for (const b of BOARDS)
    b.latency = b.id === "hifive1b" ? null : { median_error: 0.045, worst_error: 0.147, tested: 20 };
const HARDWARE = "nucleo-f412zg"; // the fake rig of this board says that it is hardware
const PLAIN_MACS = 11578816;

// 3 layers a stage, as an inverted bottleneck has them, after a first convolution.
const LAYERS = [{ op: "conv", k: 3, s: 2, in: [80, 80, 3], out: [40, 40, 8] }];
for (let stage = 0, h = 40, c = 8; stage < 9; stage++) {
    const s = stage % 3 === 1 ? 2 : 1;
    const out = Math.ceil(h / s);
    const d = s === 2 ? c * 2 : c;
    LAYERS.push({ op: "conv", k: 1, s: 1, in: [h, h, c], out: [h, h, c * 4] });
    LAYERS.push({ op: "dwconv", k: 3, s, in: [h, h, c * 4], out: [out, out, c * 4] });
    LAYERS.push({ op: "conv", k: 1, s: 1, in: [out, out, c * 4], out: [out, out, d] });
    if (s === 1) LAYERS.push({ op: "add", k: 1, s: 1, in: [out, out, d], out: [out, out, d] });
    h = out;
    c = d;
}
LAYERS.push({ op: "mean", k: LAYERS.at(-1).out[0], s: 1, in: LAYERS.at(-1).out, out: [1, 1, LAYERS.at(-1).out[2]] });
LAYERS.push({ op: "conv", k: 1, s: 1, in: [1, 1, LAYERS.at(-1).out[2]], out: [1, 1, 2] });
const layersJson = LAYERS.map((l, i) => ({
    i,
    op: l.op,
    name: `layer_${i}`,
    in: l.in,
    out: l.out,
    kernel: [l.k, l.k],
    stride: [l.s, l.s],
    macs: String(
        l.op === "conv" || l.op === "dwconv"
            ? l.out[0] * l.out[1] * l.out[2] * l.k * l.k * (l.op === "conv" ? l.in[2] : 1)
            : 0,
    ),
    inputs: [i - 1],
}));

function front(points) {
    return Array.from({ length: points }, (_, i) => {
        const t = points === 1 ? 0 : i / (points - 1);
        const arena = Math.round(6304 * Math.exp(3.1 * t)) + i;
        const overhead = 1 + 0.72 * Math.pow(1 - t, 2.6);
        const cut = 2 + Math.floor(t * 8);
        const rows = Math.max(1, Math.round(1 + 40 * t));
        const n = LAYERS.length;
        const spec =
            `0-${cut}:cols${rows} ${cut + 1}-${cut + 9}:rows ` +
            Array.from({ length: n - cut - 12 }, (_, k) => `${cut + 10 + k}:plain`).join(" ") +
            ` ${n - 2}-${n - 1}:rows`;
        return {
            spec: points > 60 ? spec.replace(`cols${rows}`, `cols${i + 1}`) : spec,
            arena_bytes: arena,
            macs: String(Math.round(PLAIN_MACS * overhead)),
            overhead,
            input_streamed: t > 0.6,
            input_bytes: 19200,
            blocks: spec.split(" ").length,
        };
    });
}

function blockList(point) {
    const total = Number(point.macs);
    const words = point.spec.split(" ");
    return words.map((word, i) => {
        const [range, schedule] = word.split(":");
        const [first, last = first] = range.split("-").map(Number);
        const arena =
            i === 0 ? point.arena_bytes : Math.round(point.arena_bytes * (0.35 + 0.5 * Math.abs(Math.sin(i * 1.7))));
        const rings =
            schedule === "plain"
                ? []
                : Array.from({ length: Math.min(3, last - first) }, (_, k) => ({
                      layer: first + 1 + k,
                      slices: 3,
                      bytes: Math.round(arena * 0.1),
                  }));
        const io = Math.round(arena * (schedule === "plain" ? 0.9 : 0.55));
        return {
            first,
            last,
            schedule,
            arena_bytes: arena,
            macs: String(Math.round(total * (i === 0 ? 0.4 : 0.6 / (words.length - 1)))),
            live_bytes: Math.round(arena * 0.03),
            io_bytes: io,
            rings,
            accumulator_bytes: i === words.length - 1 ? 64 : 0,
        };
    });
}

// A timeline of the same blocks: the output grows while the input shrinks, and half-way both are as large as the region.
function timeline(point) {
    const list = blockList(point);
    const blocks = list.map((b) => {
        const parts = [
            { kind: "skipped", layer: 0, bytes: b.live_bytes },
            ...b.rings.map((r) => ({ kind: "ring", ...r })),
            { kind: "accumulators", layer: b.last, bytes: b.accumulator_bytes },
        ].filter((p) => p.bytes > 0);
        const fixed_bytes = parts.reduce((n, p) => n + p.bytes, 0);
        const io = b.arena_bytes - fixed_bytes;
        const moments = Array.from({ length: 9 }, (_, k) => {
            const output_bytes = Math.round((io * k) / 8);
            const input_bytes = k === 4 ? io - output_bytes : Math.round((io * 0.9 * (8 - k)) / 8);
            const bytes = fixed_bytes + output_bytes + input_bytes;
            return { step: 10 * k, layer: b.first, output_bytes, input_bytes, inner_bytes: 0, bytes };
        });
        return {
            ...{ first: b.first, last: b.last, schedule: b.schedule, arena_bytes: b.arena_bytes, macs: b.macs },
            ...{ steps: 80, fixed_bytes, peak: 4, parts, moments },
            layer_macs: Array.from({ length: b.last - b.first + 1 }, (_, k) => ({ layer: b.first + k, macs: "1000" })),
        };
    });
    const largest = Math.max(...blocks.map((b) => b.arena_bytes));
    const block = blocks.findIndex((b) => b.arena_bytes === largest);
    return { arena_bytes: largest, peak: { bytes: largest, block, layer: blocks[block].first }, blocks };
}

const msOn = (board, point) =>
    ((Number(point.macs) * 15.5 * (board.startsWith("nucleo-f4") ? 1.1 : 1)) /
        BOARDS.find((b) => b.id === board).clock_hz) *
    1000;

/** options: token (asked for when given), web (folder of the built page), points (on the front), stepMs (pace of a campaign), empty (no models yet) */
export async function startFakeApi({ web, points = 40, stepMs = 60, empty = false, token = null } = {}) {
    const models = new Map();
    const campaigns = [];
    const jobs = [];
    const results = [];
    const keys = new Map();
    const streams = new Set();
    const timers = new Set();
    const requests = [];
    const resumes = []; // Last-Event-ID of each event stream that was opened
    let eventId = 0;

    const addModel = (name, bytes, seed) => {
        const id = createHash("sha256").update(seed).digest("hex");
        if (!models.has(id)) {
            models.set(id, {
                id,
                name,
                bytes,
                created: new Date().toISOString(),
                layers: LAYERS.length,
                macs: String(PLAIN_MACS),
                weight_bytes: 271360,
                plain_arena_bytes: 161472,
                input: { h: 80, w: 80, c: 3, bytes: 19200, scale: 0.0078, zero: -1 },
                output: { h: 1, w: 1, c: 2, bytes: 2, scale: 0.0039, zero: -128 },
            });
        }
        return models.get(id);
    };
    const curve = front(points);
    // What other strategies choose: more RAM than the front. Vanilla is one point; of all it says that none fits esp32c3-devkit.
    const others = (strategy) =>
        curve
            .filter((_, i) => (strategy === "vanilla" ? i === curve.length - 1 : i % 2 === 0))
            .map((p) => ({
                ...p,
                spec: strategy === "vanilla" ? "0-35:plain" : p.spec.replace(/^0-(\d+):cols/, "0-$1:patch"),
                arena_bytes: p.arena_bytes + 20000,
                strategies: [strategy],
                on_front: false,
            }));
    const chosen = new Map(); // spec -> a point off the front
    // What axis=latency has and the front of MACs has not: the same RAM, by other schedules that are faster.
    const faster = curve
        .filter((_, i) => i % 4 === 1)
        .map((p) => ({ ...p, spec: p.spec.replace(/:cols(\d+)/, ":groups$1"), fast: true }));
    for (const p of faster) chosen.set(p.spec, p);
    const find = (spec) => curve.find((p) => p.spec === spec) ?? chosen.get(spec);
    const predicted = ({ fast, ...p }, board) => ({
        ...p,
        predicted_ms: BOARDS.find((b) => b.id === board)?.latency ? msOn(board, p) * (fast ? 0.8 : 1) : null,
        fits: !board || p.arena_bytes < BOARDS.find((b) => b.id === board).ram_bytes * 0.8,
    });

    const tell = (response, event, data) =>
        response.write(`id: ${++eventId}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
    const send = (campaign, event, data) => {
        for (const s of streams) if (s.campaign === campaign) tell(s.response, event, data);
    };
    const countJobs = (c) => {
        const mine = jobs.filter((j) => j.campaign === c.id);
        c.jobs = Object.fromEntries(
            ["queued", "leased", "done", "failed"].map((s) => [s, mine.filter((j) => j.state === s).length]),
        );
        c.jobs.cancelled = mine.filter((j) => j.error?.type === "cancelled").length;
        c.state = c.jobs.queued + c.jobs.leased ? "running" : "done";
        if (c.state === "done") c.finished ??= new Date().toISOString();
    };
    const finish = (job, point) => {
        const emulated = job.board !== HARDWARE;
        const ms = msOn(job.board, point) * (1 + 0.03 * Math.sin(job.id));
        const cycles = Math.round((ms / 1000) * BOARDS.find((b) => b.id === job.board).clock_hz);
        job.result = {
            id: results.length + 1,
            job: job.id,
            attempt: 1,
            board: job.board,
            rig: job.rig,
            spec: job.spec,
            strategies: job.strategies,
            arena_bytes: point.arena_bytes,
            predicted_arena_bytes: point.arena_bytes,
            stack_bytes: 748,
            static_bytes: 1312,
            code_bytes: 24100,
            cycles: { min: String(cycles - 40), median: String(cycles), max: String(cycles + 60) },
            runs: [],
            ms,
            clock_hz: 216e6,
            instructions: emulated ? String(Math.round(cycles * 0.97)) : null,
            emulated,
            timing: emulated ? "m7-table" : null,
            timing_version: emulated ? "1" : null,
            kernels: "generic",
            firmware: "9b1f04c2",
            output_crc32: "5f2a90c1",
            output: "match",
            block_cycles: point.spec.split(" ").map((_, i) => String(Math.round(cycles / (i + 2)))),
            profile: {
                layers: LAYERS.map((_, layer) => ({ layer, calls: 10, cycles: "60000", instructions: "2500" })),
                interpreter: { calls: 10 * LAYERS.length, cycles: String(20000 * LAYERS.length), instructions: "9" },
                blocks: [],
            },
            created: new Date().toISOString(),
        };
        job.state = "done";
        job.progress = 1;
        job.phase = null;
        results.push(job.result);
    };
    const createCampaign = (body) => {
        const c = {
            id: campaigns.length + 1,
            name: body.name ?? "",
            model: body.model,
            model_name: models.get(body.model).name,
            boards: body.boards,
            state: "running",
            jobs: {},
            created: new Date().toISOString(),
            finished: null,
            repeats: body.repeats,
            input: { kind: "uniform", seed: 305419896 },
            strategies: body.strategies ?? ["pareto"],
            omitted: [],
        };
        campaigns.push(c);
        const picks = c.strategies.flatMap((strategy) => {
            const offers = strategy === "pareto" ? curve : others(strategy);
            const n = Math.min(body.points ?? 12, offers.length);
            return Array.from(
                { length: n },
                (_, i) => offers[Math.round((i * (offers.length - 1)) / Math.max(1, n - 1))],
            );
        });
        for (const board of body.boards) {
            for (const p of picks) {
                if (p.strategies) chosen.set(p.spec, p);
                if (p.strategies && board === "esp32c3-devkit") {
                    const [strategy] = p.strategies;
                    if (!c.omitted.some((o) => o.strategy === strategy))
                        c.omitted.push({ board, strategy, arena_bytes: p.arena_bytes });
                    continue;
                }
                jobs.push({
                    id: jobs.length + 1,
                    campaign: c.id,
                    model: c.model,
                    board,
                    spec: p.spec,
                    strategies: p.strategies ?? ["pareto"],
                    state: "queued",
                    phase: null,
                    progress: 0,
                    attempts: 0,
                    rig: null,
                    error: null,
                    result: null,
                    predicted: { arena_bytes: p.arena_bytes, macs: p.macs, overhead: p.overhead, ms: msOn(board, p) },
                });
            }
        }
        countJobs(c);
        return c;
    };
    // One step of the pretended farm: the first unfinished job of each running campaign moves on.
    const step = () => {
        for (const c of campaigns.filter((c) => c.state === "running")) {
            const job =
                jobs.find((j) => j.campaign === c.id && j.state === "leased") ??
                jobs.find((j) => j.campaign === c.id && j.state === "queued");
            if (!job) continue;
            const phases = ["flashing", "running", "collecting"];
            if (job.state === "queued")
                Object.assign(job, {
                    state: "leased",
                    phase: "flashing",
                    progress: 0.1,
                    attempts: 1,
                    rig: `${job.board}-0`,
                });
            else if (job.phase !== "collecting")
                Object.assign(job, { phase: phases[phases.indexOf(job.phase) + 1], progress: job.progress + 0.4 });
            else if (job.id % 7 === 4)
                Object.assign(job, {
                    state: "failed",
                    phase: null,
                    attempts: 3,
                    error: {
                        type: "flash-failed",
                        detail:
                            "openocd: target did not halt within 2000 ms; check the cable and power of rig " + job.rig,
                    },
                });
            else finish(job, find(job.spec));
            countJobs(c);
            send(c.id, "job", job);
            send(c.id, "campaign", c);
        }
    };
    timers.add(setInterval(step, stepMs));
    if (!empty) addModel("mcunet-vww1", 641000, "first");

    const routes = [
        ["GET", /^\/models$/, () => ({ items: [...models.values()], next: null })],
        [
            "POST",
            /^\/models$/,
            async (m, url, request) => {
                const bytes = await body(request);
                if (bytes.subarray(4, 8).toString("latin1") !== "TFL3") {
                    throw {
                        type: "bad-model",
                        title: "Not a TFLite model",
                        status: 422,
                        detail: "the file does not carry the identifier TFL3 at offset 4; export the model as .tflite and upload that",
                    };
                }
                return [201, addModel(url.searchParams.get("name") ?? "", bytes.length, bytes)];
            },
        ],
        ["GET", /^\/models\/(\w+)$/, (m) => need(models.get(m[1]))],
        ["GET", /^\/models\/(\w+)\/layers$/, () => layersJson],
        [
            "GET",
            /^\/models\/(\w+)\/front$/,
            (m, url) => ({
                model: m[1],
                board: url.searchParams.get("board"),
                points: (url.searchParams.get("axis") === "latency" ? faster : curve).map((p) =>
                    predicted(p, url.searchParams.get("board")),
                ),
                p1: null,
                p2: null,
            }),
        ],
        [
            "GET",
            /^\/models\/(\w+)\/config$/,
            (m, url) => {
                const p = need(find(url.searchParams.get("spec")));
                return { ...predicted(p, url.searchParams.get("board")), block_list: blockList(p) };
            },
        ],
        ["GET", /^\/models\/(\w+)\/timeline$/, (m, url) => timeline(need(find(url.searchParams.get("spec"))))],
        [
            "POST",
            /^\/campaigns$/,
            async (m, url, request) => {
                const key = request.headers["idempotency-key"];
                if (keys.has(key)) return [200, keys.get(key)];
                const wish = JSON.parse(await body(request));
                if (wish.boards.includes("hifive1b") && (wish.strategies?.length ?? 1) === 1) {
                    throw {
                        type: "does-not-fit",
                        title: "The configuration does not fit the board",
                        status: 422,
                        detail: "no configuration of the campaign's strategies fits: hifive1b: \"0-9:plain\" needs 20000 bytes of RAM, 5344 more than the 14656 that there are beside stack and data",
                        field: "boards[0]",
                        nearest: { spec: "0-8:rows 9:plain", arena_bytes: 9000, overhead: 1.25 },
                    };
                }
                const c = createCampaign(wish);
                keys.set(key, c);
                return [201, c];
            },
        ],
        ["GET", /^\/campaigns$/, () => ({ items: campaigns, next: null })],
        ["GET", /^\/campaigns\/(\d+)$/, (m) => need(campaigns[m[1] - 1])],
        [
            "DELETE",
            /^\/campaigns\/(\d+)$/,
            (m) => {
                for (const j of jobs)
                    if (j.campaign === Number(m[1]) && j.state === "queued")
                        Object.assign(j, {
                            state: "failed",
                            error: { type: "cancelled", detail: "cancelled by the user" },
                        });
                countJobs(campaigns[m[1] - 1]);
                for (const j of jobs) if (j.campaign === Number(m[1])) send(j.campaign, "job", j);
                send(Number(m[1]), "campaign", campaigns[m[1] - 1]);
                return {};
            },
        ],
        [
            "GET",
            /^\/campaigns\/(\d+)\/jobs$/,
            (m) => ({ items: jobs.filter((j) => j.campaign === Number(m[1])), next: null }),
        ],
        [
            "GET",
            /^\/campaigns\/(\d+)\/results$/,
            (m) => ({
                items: jobs.filter((j) => j.campaign === Number(m[1]) && j.result).map((j) => j.result),
                next: null,
            }),
        ],
        [
            "GET",
            /^\/campaigns\/(\d+)\/front$/,
            (m) => ({
                model: campaigns[m[1] - 1].model,
                board: null,
                p1: null,
                p2: null,
                points: [
                    ...curve,
                    ...[...chosen.values()].filter((p) =>
                        jobs.some((j) => j.campaign === Number(m[1]) && j.spec === p.spec),
                    ),
                ].map((p) => ({
                    ...predicted(p, null),
                    measured: jobs
                        .filter((j) => j.campaign === Number(m[1]) && j.result && j.spec === p.spec)
                        .map(({ result: r }) => ({ ...r, result: r.id, cycles: r.cycles.median })),
                })),
            }),
        ],
        ["GET", /^\/results\/(\d+)$/, (m) => need(results[m[1] - 1])],
        ["GET", /^\/boards$/, () => BOARDS],
        [
            "GET",
            /^\/rigs$/,
            () =>
                BOARDS.slice(0, 4).map((b, i) => ({
                    last_error: i === 3 ? "serial-timeout: no record for 30 s" : null,
                    quarantine_until: i === 3 ? "2030-01-01T09:30:00.000Z" : null,
                    name: `${b.id}-0`,
                    agent: "host-1",
                    board: b.id,
                    state: ["busy", "idle", "idle", "quarantined"][i],
                    job: i === 0 ? 1 : null,
                    last_seen: new Date().toISOString(),
                    failures: i === 3 ? 5 : 0,
                    emulated: b.id !== HARDWARE,
                })),
        ],
    ];

    const server = createServer(async (request, response) => {
        const url = new URL(request.url, "http://fake");
        const headers = {
            "Content-Security-Policy": CSP,
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        };
        try {
            if (!url.pathname.startsWith("/api/v1/")) return await serveFile(url.pathname, response, headers);
            const path = url.pathname.slice("/api/v1".length);
            requests.push(`${request.method} ${path}`);
            if (token && request.headers.authorization !== `Bearer ${token}`) {
                throw {
                    type: "unauthorized",
                    title: "An access token is needed",
                    status: 401,
                    detail: "send Authorization: Bearer",
                };
            }
            const events = /^\/campaigns\/(\d+)\/events$/.exec(path);
            if (events) {
                response.writeHead(200, { ...headers, "Content-Type": "text/event-stream" });
                response.write(": hello\n\n");
                const stream = { campaign: Number(events[1]), response };
                // As the real server does: whoever comes (back) is first told the present state of what changed.
                const c = campaigns[stream.campaign - 1];
                for (const job of jobs) if (job.campaign === c.id && job.state !== "queued") tell(response, "job", job);
                tell(response, "campaign", c);
                streams.add(stream);
                resumes.push(request.headers["last-event-id"] ?? null);
                request.on("close", () => streams.delete(stream));
                return;
            }
            if (/^\/jobs\/\d+\/log$/.test(path))
                return response.writeHead(200, { ...headers, "Content-Type": "text/plain" }).end("fake log\n");
            for (const [method, pattern, handle] of routes) {
                const match = method === request.method && pattern.exec(path);
                if (!match) continue;
                const answer = await handle(match, url, request);
                const [status, json] = Array.isArray(answer) && typeof answer[0] === "number" ? answer : [200, answer];
                response.writeHead(status, { ...headers, "Content-Type": "application/json" });
                return response.end(JSON.stringify(json));
            }
            throw { type: "not-found", title: "Not found", status: 404, detail: path };
        } catch (error) {
            const status = error.status ?? 500;
            response.writeHead(status, { ...headers, "Content-Type": "application/problem+json" });
            response.end(
                JSON.stringify(
                    error.status ? error : { type: "internal", title: "Internal error", status, detail: String(error) },
                ),
            );
        }
    });

    async function serveFile(path, response, headers) {
        const name = normalize(path === "/" ? "/index.html" : path);
        try {
            const content = await readFile(join(web, name));
            response.writeHead(200, { ...headers, "Content-Type": TYPES[extname(name)] ?? "application/octet-stream" });
            response.end(content);
        } catch {
            response.writeHead(404, headers).end();
        }
    }

    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    return {
        url: `http://127.0.0.1:${server.address().port}`,
        models: [...models.values()],
        requests,
        resumes,
        /** Breaks every event stream off, as a proxy or a sleeping laptop does. */
        cutStreams() {
            for (const s of streams) s.response.end();
        },
        createCampaign,
        finishAll() {
            for (const j of jobs.filter((j) => j.state !== "done"))
                finish(Object.assign(j, { rig: `${j.board}-0`, attempts: 1 }), find(j.spec));
            campaigns.forEach(countJobs);
        },
        close() {
            timers.forEach(clearInterval);
            for (const s of streams) s.response.end();
            server.closeAllConnections();
            server.close();
        },
    };
}

function need(value) {
    if (!value) throw { type: "not-found", title: "Not found", status: 404, detail: "no such thing" };
    return value;
}

async function body(request) {
    const parts = [];
    for await (const part of request) parts.push(part);
    return Buffer.concat(parts);
}
