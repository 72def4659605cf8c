// SPDX-License-Identifier: MIT
// The heart of the model and campaign pages: plot, budget sliders, table and the selected configuration, kept in step.
// It knows nothing of where the points come from: the page hands it a PointSet and says when that changed.
import { get, logPath, type Board, type Config, type Layer, type Measured, type Model, type Result } from "./api.ts";
import { drawBlocks, drawTimeline } from "./blocks.ts";
import { toCsv } from "./csv.ts";
import { download, fill, h, onceAFrame, type Child } from "./dom.ts";
import * as format from "./format.ts";
import { leastWithin, logScale } from "./pareto.ts";
import { boardColours, boardFacts, emulatedBadge, fileLink, problem } from "./parts.ts";
import { Plot } from "./plot.ts";
import { measuredName, ramOf, type Point, type PointSet } from "./points.ts";
import { describeSpec } from "./spec.ts";
import { Table, type Column } from "./table.ts";

const STEPS = 1000; // positions of the RAM slider

export class Explorer {
    readonly element: HTMLElement;
    private readonly plot: Plot;
    private readonly table: Table<Point>;
    private readonly boardPicks = h("div", { class: "picks", role: "group", "aria-label": "Boards shown" });
    private readonly budgets: Budgets;
    private readonly detail = h("section", { class: "card detail", "aria-live": "polite", "aria-label": "Selected configuration" });
    private readonly colours: Map<string, string>;
    private shown: Set<string>;
    private y: "ms" | "overhead" = "ms";
    private logY = false;
    private withInput = false;
    private selected: string | null = null;
    private drawnDetail = "";
    private tableState = "";
    private readonly note = h("p", { class: "note", role: "status" });
    private layers: Promise<Layer[]> | null = null;
    private readonly redraw = onceAFrame(() => this.draw());
    /** Called when the user shows a board whose prediction may not be loaded yet. */
    onBoards: (shown: string[]) => void = () => {};

    constructor(
        private readonly model: Model,
        private readonly boards: Board[],
        shown: string[],
        private readonly points: PointSet,
        private readonly signal: AbortSignal,
        aside: HTMLElement | null,
    ) {
        this.shown = new Set(shown);
        this.colours = boardColours(boards.map((b) => b.id));
        this.plot = new Plot(signal);
        this.plot.onSelect = (spec) => this.select(spec);
        this.budgets = new Budgets(() => this.redraw(), (spec) => this.select(spec, true));
        this.table = new Table<Point>({
            caption: "Configurations",
            id: (p) => p.spec,
            empty: "No configurations yet.",
            sort: { key: "ram", descending: false },
            onSelect: (p) => this.select(p.spec),
            rowLabel: (p) => `${format.exactBytes(p.arena_bytes)}, show its blocks`,
        });
        this.drawBoardPicks();
        fill(this.detail, this.emptyDetail());
        this.element = h(
            "div",
            { class: "explorer" },
            h(
                "section",
                { class: "card plot-card", "aria-label": "RAM against latency" },
                h("div", { class: "toolbar" }, this.boardPicks, this.axisControls()),
                this.note,
                this.plot.element,
                h("div", { class: "plot-foot" },
                    h("p", { class: "hint" }, "Hollow: predicted. Filled: measured; circle on hardware, diamond on an emulated board. Click a point for its blocks; Ctrl + wheel or pinch zooms, a double click resets."),
                    this.exportMenu()),
            ),
            h("div", { class: "side" }, this.budgets.element, aside),
            this.detail,
            h("section", { class: "card table-card" }, h("h2", null, "All configurations"), this.table.element),
        );
    }

    get shownBoards(): string[] {
        return this.boards.map((b) => b.id).filter((id) => this.shown.has(id));
    }

    /** The points changed. */
    update(): void {
        this.redraw();
    }

    select(spec: string, scroll = false): void {
        this.selected = spec;
        this.table.select(spec);
        this.redraw();
        void this.drawDetail();
        if (scroll) this.detail.scrollIntoView({ block: "nearest" });
    }

    private draw(): void {
        if (this.signal.aborted) return;
        const points = this.points.all;
        const y = this.drawNote(points);
        const answers = this.budgets.update(points, this.withInput, this.shownBoards);
        this.plot.draw({
            points,
            version: this.points.version,
            boards: this.shownBoards,
            colours: this.colours,
            y,
            logY: this.logY,
            withInput: this.withInput,
            selected: this.selected,
            marks: answers,
            limits: this.budgets.limits,
        });
        const tableState = `${this.points.version} ${this.shownBoards.join(" ")}`;
        if (tableState !== this.tableState) this.table.update(this.columns(), points);
        this.tableState = tableState;
        this.table.setMarks(marksBySpec(answers));
        if (this.selected) void this.drawDetail();
    }

    /** What the plot can show of latency, in words where that is less than the user asked for; returns its height. */
    private drawNote(points: Point[]): "ms" | "overhead" {
        const boards = this.shownBoards;
        const measured = boards.filter((b) => points.some((p) => p.measured.some((m) => m.board === b)));
        const unpredicted = boards.filter((b) => !points.some((p) => p.predicted_ms.has(b)));
        const silent = unpredicted.filter((b) => !measured.includes(b));
        let note = "";
        let y = this.y;
        if (y === "ms" && points.length && silent.length === boards.length) {
            y = "overhead";
            note = boards.length ? `Nothing is known yet of the latency on ${boards.join(", ")}: the plot shows overhead F until a campaign has measured it.` : "";
        } else if (y === "ms" && points.length && unpredicted.length) {
            note = `No latency model yet for ${unpredicted.join(", ")}: the plot shows what was measured only.`;
        }
        if (this.note.textContent !== note) this.note.textContent = note;
        return y;
    }

    private columns(): Column<Point>[] {
        const columns: Column<Point>[] = [
            { key: "ram", label: "RAM, B", title: "Arena without the model input", number: true, value: (p) => p.arena_bytes, cell: (p) => format.count(p.arena_bytes) },
            { key: "input", label: "+ input, B", title: "RAM to add when the input is resident", number: true, value: (p) => p.input_bytes, cell: (p) => format.count(p.input_bytes) },
            { key: "overhead", label: "F", title: "Overhead: MACs ÷ MACs of plain execution", number: true, value: (p) => p.overhead, cell: (p) => (p.overhead === null ? "–" : p.overhead.toFixed(3)) },
            { key: "macs", label: "MACs", number: true, value: (p) => (p.macs === null ? null : Number(p.macs)), cell: (p) => format.count(p.macs) },
        ];
        for (const board of this.shownBoards) {
            const best = (p: Point) => p.measured.find((m) => m.board === board && !m.emulated) ?? p.measured.find((m) => m.board === board);
            columns.push(
                {
                    key: `predicted ${board}`, label: `${board} predicted`, number: true,
                    value: (p) => p.predicted_ms.get(board) ?? null,
                    cell: (p) => (p.does_not_fit.has(board) ? "does not fit" : format.ms(p.predicted_ms.get(board))),
                },
                {
                    key: `measured ${board}`, label: `${board} measured`, number: true,
                    value: (p) => best(p)?.ms ?? null,
                    cell: (p) => {
                        const all = p.measured.filter((m) => m.board === board);
                        return all.length ? all.map((m) => h("span", { class: "measure" }, format.ms(m.ms), m.emulated ? [" ", emulatedBadge()] : null)) : "–";
                    },
                },
            );
        }
        columns.push(
            { key: "blocks", label: "Blocks", number: true, value: (p) => p.blocks, cell: (p) => p.blocks },
            { key: "order", label: "Input read", value: (p) => (p.input_streamed ? "streamed" : "random"), cell: (p) => (p.input_streamed ? "streamed" : "random") },
            { key: "spec", label: "Configuration", value: (p) => p.spec, cell: (p) => h("span", { class: "spec", title: p.spec }, describeSpec(p.spec)) },
        );
        return columns;
    }

    private drawBoardPicks(): void {
        fill(
            this.boardPicks,
            this.boards.map((board) =>
                h(
                    "label",
                    { class: "pick", title: boardFacts(board) },
                    h("input", {
                        type: "checkbox",
                        checked: this.shown.has(board.id),
                        onchange: (event: Event) => {
                            if ((event.target as HTMLInputElement).checked) this.shown.add(board.id);
                            else this.shown.delete(board.id);
                            this.onBoards(this.shownBoards);
                            this.redraw();
                        },
                    }),
                    h("i", { class: "swatch", css: { background: `var(${this.colours.get(board.id)!})` } }),
                    board.id,
                ),
            ),
        );
    }

    private axisControls(): HTMLElement {
        const choose = (change: (value: string) => void) => (event: Event) => {
            change((event.target as HTMLSelectElement).value);
            this.redraw();
        };
        return h(
            "div",
            { class: "controls" },
            h("label", null, "Height ", h("select", { name: "y", onchange: choose((v) => (this.y = v as "ms" | "overhead")) },
                h("option", { value: "ms" }, "latency"), h("option", { value: "overhead" }, "overhead F"))),
            h("label", null, "Scale ", h("select", { name: "scale", onchange: choose((v) => (this.logY = v === "log")) },
                h("option", { value: "linear" }, "linear"), h("option", { value: "log" }, "log"))),
            h("label", null, "RAM ", h("select", { name: "ram", onchange: choose((v) => (this.withInput = v === "input")) },
                h("option", { value: "arena" }, "arena"), h("option", { value: "input" }, "arena + input"))),
        );
    }

    private exportMenu(): HTMLElement {
        const name = (this.model.name || "model").replace(/[^\w.-]+/g, "-");
        const item = (label: string, act: () => void) => h("button", { type: "button", onclick: act }, label);
        return h(
            "div",
            { class: "export", role: "group", "aria-label": "Export" },
            h("span", { "aria-hidden": "true" }, "Export"),
            item("CSV", () => download(`${name}.csv`, this.csv(), "text/csv")),
            item("JSON", () => download(`${name}.json`, this.json(), "application/json")),
            item("PNG", () => void fetchBlob(this.plot.png()).then((blob) => download(`${name}.png`, blob))),
            item("SVG", () => download(`${name}.svg`, this.plot.svg(), "image/svg+xml")),
        );
    }

    /** One line for each prediction and each measurement. */
    private csv(): string {
        const header = ["model", "spec", "arena_bytes", "input_bytes", "input", "macs", "overhead", "blocks", "board", "kind", "ms", "cycles", "instructions", "stack_bytes", "static_bytes", "timing"];
        const rows = this.points.all.flatMap((p) => {
            const base = [this.model.name, p.spec, p.arena_bytes, p.input_bytes, p.input_streamed ? "streamed" : "random", p.macs, p.overhead, p.blocks];
            const predicted = [...p.predicted_ms].map(([board, t]) => [...base, board, "predicted", t]);
            const measured = p.measured.map((m) => [...base, m.board, m.emulated ? "emulated" : "hardware", m.ms, m.cycles, m.instructions, m.stack_bytes, m.static_bytes, m.timing]);
            const all = [...predicted, ...measured];
            return all.length ? all : [[...base, null, "predicted", null]];
        });
        return toCsv(header, rows);
    }

    private json(): string {
        const points = this.points.all.map((p) => ({ ...p, predicted_ms: Object.fromEntries(p.predicted_ms), does_not_fit: [...p.does_not_fit] }));
        return JSON.stringify({ model: this.model, points }, null, 2);
    }

    private emptyDetail(): Child {
        return [h("h2", null, "Blocks"), h("p", { class: "quiet" }, "Choose a point in the plot, a row of the table or a budget's answer to see how it runs.")];
    }

    private async drawDetail(): Promise<void> {
        const point = this.selected === null ? undefined : this.points.get(this.selected);
        if (!point) return;
        // Drawn again only when something in it changed: a live campaign must not fold the blocks that the user opened.
        const state = JSON.stringify([point.spec, point.measured.map((m) => m.result), this.shownBoards]);
        if (state === this.drawnDetail) return;
        this.drawnDetail = state;
        try {
            const measured = point.measured.filter((m) => this.shown.has(m.board));
            this.layers ??= get<Layer[]>(`/models/${this.model.id}/layers`, this.signal);
            const [layers, config, ...results] = await Promise.all([
                this.layers,
                get<Config>(`/models/${this.model.id}/config?spec=${encodeURIComponent(point.spec)}`, this.signal),
                ...measured.map((m) => get<Result>(`/results/${m.result}`, this.signal)),
            ]);
            if (this.drawnDetail !== state) return;
            const cycles = results.find((r) => r.block_cycles?.length === config.block_list.length)?.block_cycles.map(Number) ?? null;
            fill(
                this.detail,
                h("h2", null, `${format.kb(config.arena_bytes)} of RAM, F ${format.overhead(config.overhead)}`),
                h("p", { class: "facts" },
                    h("span", null, h("b", null, format.exactBytes(config.arena_bytes)), " arena"),
                    h("span", null, h("b", null, `+ ${format.exactBytes(config.input_bytes)}`), ` if the input is resident (${config.input_streamed ? "can be streamed" : "read in random order"})`),
                    h("span", null, h("b", null, format.count(config.macs)), " MACs")),
                this.specLine(point.spec),
                h("div", { class: "detail-top" },
                    measured.length || this.shownBoards.some((b) => point.predicted_ms.has(b)) ? this.comparison(point, results) : null,
                    drawTimeline(config.block_list, cycles)),
                drawBlocks(config.block_list, layers, cycles),
            );
        } catch (error) {
            if (this.signal.aborted) return;
            this.drawnDetail = "";
            fill(this.detail, h("h2", null, "Blocks"), problem(error, "The configuration could not be read"));
        }
    }

    private specLine(spec: string): HTMLElement {
        const copy = h("button", { type: "button", onclick: () => void navigator.clipboard?.writeText(spec).then(() => (copy.textContent = "copied")) }, "copy");
        return h("p", { class: "spec-line" }, h("code", null, spec), navigator.clipboard ? copy : null);
    }

    private comparison(point: Point, results: Result[]): HTMLElement {
        // One column for each result (or prediction without one), so that it fits a phone.
        const columns = this.shownBoards.flatMap((board): { board: string; predicted: number | undefined; r: Result | null }[] => {
            const predicted = point.predicted_ms.get(board);
            const mine = results.filter((r) => r.board === board);
            if (mine.length) return mine.map((r) => ({ board, predicted, r }));
            return predicted === undefined ? [] : [{ board, predicted, r: null }];
        });
        const row = (name: string, cell: (c: (typeof columns)[number]) => Child) =>
            h("tr", null, h("th", { scope: "row" }, name), columns.map((c) => h("td", null, cell(c) ?? "–")));
        const of = (cell: (r: Result) => Child) => (c: (typeof columns)[number]) => (c.r ? cell(c.r) : null);
        return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Predicted and measured" },
            h("table", { class: "comparison" },
                h("thead", null, h("tr", null, h("td"), columns.map((c) => h("th", { scope: "col" }, c.board, " ",
                    c.r ? (c.r.emulated ? emulatedBadge() : h("span", { class: "badge" }, measuredName(false))) : h("span", { class: "badge" }, "predicted only"))))),
                h("tbody", null,
                    row("latency", of((r) => h("b", null, format.ms(r.ms)))),
                    row("predicted", (c) => (c.predicted === undefined ? null : `${format.ms(c.predicted)}${c.r ? ` (${format.difference(c.r.ms, c.predicted)})` : ""}`)),
                    row("cycles, median", of((r) => format.count(r.cycles.median))),
                    row("min … max", of((r) => `${format.count(r.cycles.min)} … ${format.count(r.cycles.max)}`)),
                    row("instructions", of((r) => format.count(r.instructions))),
                    row("arena", of((r) => `${format.exactBytes(r.arena_bytes)}, ${r.arena_bytes === r.predicted_arena_bytes ? "as predicted" : `predicted ${format.exactBytes(r.predicted_arena_bytes)}`}`)),
                    row("stack, static", of((r) => `${format.exactBytes(r.stack_bytes)}, ${format.exactBytes(r.static_bytes)}`)),
                    row("output", of((r) => `${r.output}, CRC-32 ${r.output_crc32}`)),
                    row("timing", of((r) => (r.emulated ? `model ${r.timing ?? "unnamed"} ${r.timing_version ?? ""}` : "cycle counter of the board"))),
                    row("kernels", of((r) => r.kernels)),
                    row("job", of((r) => [`${r.job} on ${r.rig}, `, fileLink(logPath(r.job), "log")])))));
    }
}

function marksBySpec(marks: { label: string; spec: string }[]): Record<string, string> {
    const out: Record<string, string> = {};
    for (const m of marks) out[m.spec] = out[m.spec] ? `${out[m.spec]}, ${m.label}` : m.label;
    return out;
}

async function fetchBlob(dataUrl: string): Promise<Blob> {
    // fetch() of a data: URL is forbidden by the content policy, so the base64 is decoded here.
    const bytes = Uint8Array.from(atob(dataUrl.slice(dataUrl.indexOf(",") + 1)), (c) => c.charCodeAt(0));
    return new Blob([bytes], { type: "image/png" });
}

/** The two questions: P1, least RAM at a bounded overhead; P2, least overhead in a bounded RAM. */
class Budgets {
    readonly element: HTMLElement;
    readonly limits: { ram: number | null; overhead: number | null } = { ram: null, overhead: null };
    private readonly p1 = h("input", { type: "range", id: "p1", min: 100, max: 200, step: 1, value: 130 });
    private readonly p2 = h("input", { type: "range", id: "p2", min: 0, max: STEPS, step: 1, value: STEPS / 2 });
    private readonly p1Box = h("input", { type: "number", min: 1, step: 0.01, "aria-label": "Largest overhead F" });
    private readonly p2Box = h("input", { type: "number", min: 0, step: 0.1, "aria-label": "Largest RAM in kB" });
    private readonly p1Answer = h("div", { class: "answer", "aria-live": "polite", id: "p1-answer" });
    private readonly p2Answer = h("div", { class: "answer", "aria-live": "polite", id: "p2-answer" });
    private scale = logScale(1, 1, STEPS);
    private range = "";
    private drawn = "";
    private maxF = 1.3;
    private maxRam: number | null = null;

    constructor(changed: () => void, private readonly show: (spec: string) => void) {
        const listen = (input: HTMLInputElement, event: string, take: (value: number) => void) =>
            input.addEventListener(event, () => {
                if (input.value !== "" && Number.isFinite(Number(input.value))) {
                    take(Number(input.value));
                    changed();
                }
            });
        listen(this.p1, "input", (v) => (this.maxF = v / 100));
        listen(this.p1Box, "change", (v) => (this.maxF = v));
        listen(this.p2, "input", (v) => (this.maxRam = this.scale.valueAt(v)));
        listen(this.p2Box, "change", (v) => (this.maxRam = v * 1000));
        this.element = h(
            "section",
            { class: "card budgets", "aria-label": "Budgets" },
            h("h2", null, "What fits?"),
            h("div", { class: "budget" }, h("label", { for: "p1" }, h("b", { class: "mark" }, "P1"), " Least RAM with overhead F at most"), this.p1Box, this.p1, this.p1Answer),
            h("div", { class: "budget" }, h("label", { for: "p2" }, h("b", { class: "mark" }, "P2"), " Least compute in RAM of at most, kB"), this.p2Box, this.p2, this.p2Answer),
        );
    }

    /** Sets the sliders to the points' range, answers both questions and returns the answers as marks of the plot. */
    update(points: readonly Point[], withInput: boolean, boards: readonly string[]): { label: string; spec: string }[] {
        const usable = points.filter((p) => p.overhead !== null);
        if (!usable.length) {
            fill(this.p1Answer, "–");
            fill(this.p2Answer, "–");
            return [];
        }
        const ram = (p: Point) => ramOf(p, withInput);
        const low = usable.reduce((least, p) => Math.min(least, ram(p)), Infinity);
        const high = usable.reduce((most, p) => Math.max(most, ram(p)), 0);
        const maxF = usable.reduce((f, p) => Math.max(f, p.overhead!), 1);
        const range = `${low} ${high} ${maxF}`;
        if (range !== this.range) {
            this.range = range;
            this.scale = logScale(low, high, STEPS);
            this.p1.max = String(Math.max(101, Math.ceil(maxF * 100)));
        }
        this.maxRam ??= Math.sqrt(low * high);
        this.limits.ram = this.maxRam;
        this.limits.overhead = this.maxF;
        this.p1.value = String(Math.round(this.maxF * 100));
        this.p2.value = String(Math.round(this.scale.positionOf(this.maxRam)));
        this.p1.setAttribute("aria-valuetext", `F ${this.maxF.toFixed(2)}`);
        this.p2.setAttribute("aria-valuetext", format.kb(this.maxRam));
        if (document.activeElement !== this.p1Box) this.p1Box.value = this.maxF.toFixed(2);
        if (document.activeElement !== this.p2Box) this.p2Box.value = (this.maxRam / 1000).toFixed(1);

        // What the user reads must hold: the limit as shown, not the float behind it.
        const limitF = format.roundTo(this.maxF, 2) + 1e-9;
        const limitRam = format.roundTo(this.maxRam / 1000, 1) * 1000 + 1e-6;
        const p1 = leastWithin(usable, ram, (p) => p.overhead!, limitF);
        const p2 = leastWithin(usable, (p) => p.overhead!, ram, limitRam);
        const drawn = JSON.stringify([p1, p2, withInput, boards, [p1, p2].map((p) => p && [...p.predicted_ms])]);
        if (drawn !== this.drawn) {
            this.drawn = drawn;
            this.drawAnswer(this.p1Answer, p1, withInput, boards, "No configuration keeps F this low.");
            this.drawAnswer(this.p2Answer, p2, withInput, boards, `Nothing fits: the least is ${format.kb(low)}.`);
        }
        return [p1 && { label: "P1", spec: p1.spec }, p2 && { label: "P2", spec: p2.spec }].filter((m) => m !== null);
    }

    private drawAnswer(box: HTMLElement, p: Point | null, withInput: boolean, boards: readonly string[], none: string): void {
        if (!p) {
            fill(box, h("span", { class: "quiet" }, none));
            return;
        }
        const held = box.contains(document.activeElement);
        const times = boards.flatMap((board): Child[] => {
            const measured = p.measured.filter((m): m is Measured => m.board === board);
            if (measured.length) return measured.map((m) => h("li", null, h("b", null, format.ms(m.ms)), ` ${board}, ${measuredName(m.emulated)}`));
            const predicted = p.predicted_ms.get(board);
            return predicted === undefined ? [] : [h("li", null, h("b", null, format.ms(predicted)), ` ${board}, predicted`)];
        });
        const button = h("button", { type: "button", class: "link", onclick: () => this.show(p.spec) }, "Show its blocks");
        fill(box, h("p", null, h("b", { class: "big" }, format.kb(ramOf(p, withInput))), ` at F ${p.overhead!.toFixed(3)}`), h("ul", null, times), button);
        if (held) button.focus({ preventScroll: true });
    }
}
