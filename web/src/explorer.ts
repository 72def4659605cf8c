// SPDX-License-Identifier: MIT
// The heart of the model and campaign pages: plot, budget sliders, table and the selected configuration, kept in step.
// It knows nothing of where the points come from: the page hands it a PointSet and says when that changed.
import type { Board, Model } from "./api.ts";
import { Budgets } from "./budgets.ts";
import { toCsv } from "./csv.ts";
import { download, fill, h, onceAFrame } from "./dom.ts";
import { Detail } from "./detail.ts";
import * as format from "./format.ts";
import { boardColours, boardFacts, emulatedBadge } from "./parts.ts";
import { Plot, type Height } from "./plot.ts";
import type { Point, PointSet } from "./points.ts";
import { describeSpec } from "./spec.ts";
import { strategiesOf, strategyNames } from "./strategies.ts";
import { Table, type Column } from "./table.ts";

export class Explorer {
    readonly element: HTMLElement;
    private readonly plot: Plot;
    private readonly table: Table<Point>;
    private readonly boardPicks = h("div", { class: "picks", role: "group", "aria-label": "Boards shown" });
    private readonly budgets: Budgets;
    private readonly detail: Detail;
    private readonly colours: Map<string, string>;
    private shown: Set<string>;
    private y: Height = "ms";
    private scale: "auto" | "linear" | "log" = "auto";
    private withInput = false;
    private selected: string | null = null;
    private tableState = "";
    private readonly hint = h("p", { class: "hint" });
    private readonly note = h("p", { class: "note", role: "status" });
    private readonly redraw = onceAFrame(() => this.draw());
    /** Called when the user shows a board, or asks for another height, whose points may not be loaded yet. */
    onShown: (boards: Board[], height: Height) => void = () => {};

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
        this.budgets = new Budgets(
            model.plain_arena_bytes,
            () => this.redraw(),
            (spec) => this.select(spec, true),
        );
        this.table = new Table<Point>({
            caption: "Configurations",
            id: (p) => p.spec,
            empty: "No configurations yet.",
            sort: { key: "ram", descending: false },
            onSelect: (p) => this.select(p.spec),
            rowLabel: (p) => `${format.exactBytes(p.arena_bytes)}, show its blocks`,
        });
        this.drawBoardPicks();
        this.detail = new Detail(model, signal);
        this.element = h(
            "div",
            { class: "explorer" },
            h(
                "section",
                { class: "card plot-card", "aria-label": "RAM against latency" },
                h("div", { class: "toolbar" }, this.boardPicks, this.axisControls()),
                this.note,
                this.plot.element,
                h(
                    "div",
                    { class: "plot-foot" },
                    this.hint,
                    this.exportMenu(),
                ),
            ),
            h("div", { class: "side" }, this.budgets.element, aside),
            this.detail.element,
            h("section", { class: "card table-card" }, h("h2", null, "All configurations"), this.table.element),
        );
    }

    get shownBoards(): string[] {
        return this.boards.map((b) => b.id).filter((id) => this.shown.has(id));
    }

    /** What is shown now needs its points. */
    private wantPoints(): void {
        this.onShown(
            this.boards.filter((b) => this.shown.has(b.id)),
            this.y,
        );
        this.redraw();
    }

    /** The points changed. */
    update(): void {
        this.redraw();
    }

    select(spec: string, scroll = false): void {
        this.selected = spec;
        this.table.select(spec);
        this.redraw();
        this.drawDetail();
        if (scroll) this.detail.element.scrollIntoView({ block: "nearest" });
    }

    /** Boards of very different speed: on a linear axis the fast ones would be one line at the bottom. */
    private spansDecades(points: readonly Point[], y: Height): boolean {
        let least = Infinity;
        let most = 0;
        const take = (board: string, ms: number) => {
            if (!this.shown.has(board)) return;
            least = Math.min(least, ms);
            most = Math.max(most, ms);
        };
        for (const point of points) {
            if (y === "predicted") point.predicted_ms.forEach((ms, board) => take(board, ms));
            else for (const m of point.measured) take(m.board, m.ms);
        }
        return most > 8 * least;
    }

    private draw(): void {
        if (this.signal.aborted) return;
        const points = this.points.all;
        const y = this.drawNote(points);
        const compared = strategiesOf(points).length > 0;
        const hint = `${this.legendWords(y, compared)} Click a point for its blocks; Ctrl + wheel or pinch zooms, a double click resets.`;
        if (this.hint.textContent !== hint) this.hint.textContent = hint;
        const answers = this.budgets.update(points, this.withInput, this.shownBoards);
        this.plot.draw({
            points,
            version: this.points.version,
            boards: this.shownBoards,
            colours: this.colours,
            y,
            logY: this.scale === "auto" ? y !== "overhead" && this.spansDecades(points, y) : this.scale === "log",
            withInput: this.withInput,
            selected: this.selected,
            marks: answers,
            limits: this.budgets.limits,
        });
        const tableState = `${this.points.version} ${this.shownBoards.join(" ")}`;
        if (tableState !== this.tableState) this.table.update(this.columns(compared), points);
        this.tableState = tableState;
        this.table.setMarks(marksBySpec(answers));
        if (this.selected) this.drawDetail();
    }

    /** What the plot can show of latency, in words where that is less than the user asked for; returns its height. */
    private drawNote(points: Point[]): Height {
        const boards = this.shownBoards;
        const unpredicted = boards.filter((b) => !points.some((p) => p.predicted_ms.has(b)));
        const silent =
            this.y === "predicted"
                ? unpredicted
                : unpredicted.filter((b) => !points.some((p) => p.measured.some((m) => m.board === b)));
        let note = "";
        let y = this.y;
        if (y !== "overhead" && points.length && silent.length === boards.length) {
            const known = y === "ms" ? "Nothing is known yet of the latency on" : "No latency model yet for";
            const until = y === "ms" ? " until a campaign has measured it" : "";
            y = "overhead";
            note = boards.length ? `${known} ${boards.join(", ")}: the plot shows overhead F${until}.` : "";
        } else if (y !== "overhead" && points.length && unpredicted.length) {
            const rest = y === "ms" ? "the plot shows what was measured only" : "the plot shows the other boards only";
            note = `No latency model yet for ${unpredicted.join(", ")}: ${rest}.`;
        }
        if (this.note.textContent !== note) this.note.textContent = note;
        return y;
    }

    /** What the dots mean; of predictions also how far they were off where it was tried. */
    private legendWords(y: Height, compared: boolean): string {
        if (y === "predicted") {
            const errors = this.boards
                .filter((b) => this.shown.has(b.id) && b.latency)
                .map((b) => {
                    const { median_error, worst_error, tested } = b.latency!;
                    const percent = (part: number) => `${(part * 100).toFixed(1)} %`;
                    return `${b.id} by ${percent(median_error)} in the median, ${percent(worst_error)} at worst (${format.plural(tested, "configuration")})`;
                });
            const off = errors.length ? ` It was off: ${errors.join("; ")}.` : "";
            return `All predicted, nothing measured: what each board's latency model says, also of the configurations that it finds fastest.${off}`;
        }
        const shapes = compared
            ? "Shape: strategy. Filled: measured, paler on an emulated board."
            : "Filled: measured; circle on hardware, diamond on an emulated board.";
        return `Hollow: predicted. ${shapes}`;
    }

    private drawDetail(): void {
        const point = this.selected === null ? undefined : this.points.get(this.selected);
        if (point) void this.detail.show(point, this.shownBoards);
    }

    private columns(compared: boolean): Column<Point>[] {
        const columns: Column<Point>[] = [
            {
                key: "ram",
                label: "RAM, B",
                title: "Arena without the model input",
                number: true,
                value: (p) => p.arena_bytes,
                cell: (p) => format.count(p.arena_bytes),
            },
            {
                key: "input",
                label: "+ input, B",
                title: "RAM to add when the input is resident",
                number: true,
                value: (p) => p.input_bytes,
                cell: (p) => format.count(p.input_bytes),
            },
            {
                key: "overhead",
                label: "F",
                title: "Overhead: MACs ÷ MACs of plain execution",
                number: true,
                value: (p) => p.overhead,
                cell: (p) => (p.overhead === null ? "–" : p.overhead.toFixed(3)),
            },
            {
                key: "macs",
                label: "MACs",
                number: true,
                value: (p) => (p.macs === null ? null : Number(p.macs)),
                cell: (p) => format.count(p.macs),
            },
        ];
        for (const board of this.shownBoards) {
            const best = (p: Point) =>
                p.measured.find((m) => m.board === board && !m.emulated) ?? p.measured.find((m) => m.board === board);
            columns.push(
                {
                    key: `predicted ${board}`,
                    label: `${board} predicted`,
                    number: true,
                    value: (p) => p.predicted_ms.get(board) ?? null,
                    cell: (p) => (p.does_not_fit.has(board) ? "does not fit" : format.ms(p.predicted_ms.get(board))),
                },
                {
                    key: `measured ${board}`,
                    label: `${board} measured`,
                    number: true,
                    value: (p) => best(p)?.ms ?? null,
                    cell: (p) => {
                        const all = p.measured.filter((m) => m.board === board);
                        return all.length
                            ? all.map((m) =>
                                  h(
                                      "span",
                                      { class: "measure" },
                                      format.ms(m.ms),
                                      m.emulated ? [" ", emulatedBadge()] : null,
                                  ),
                              )
                            : "–";
                    },
                },
            );
        }
        if (compared)
            columns.push({
                key: "strategy",
                label: "Strategy",
                title: "Who chose the configuration",
                value: (p) => strategyNames(p.strategies),
                cell: (p) => strategyNames(p.strategies),
            });
        columns.push(
            { key: "blocks", label: "Blocks", number: true, value: (p) => p.blocks, cell: (p) => p.blocks },
            {
                key: "order",
                label: "Input read",
                value: (p) => (p.input_streamed ? "streamed" : "random"),
                cell: (p) => (p.input_streamed ? "streamed" : "random"),
            },
            {
                key: "spec",
                label: "Configuration",
                value: (p) => p.spec,
                cell: (p) => h("span", { class: "spec", title: p.spec }, describeSpec(p.spec)),
            },
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
                            this.wantPoints();
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
            h(
                "label",
                null,
                "Height ",
                h(
                    "select",
                    {
                        name: "y",
                        onchange: choose((v) => {
                            this.y = v as Height;
                            this.wantPoints();
                        }),
                    },
                    h("option", { value: "ms" }, "latency"),
                    h("option", { value: "predicted" }, "predicted ms"),
                    h("option", { value: "overhead" }, "overhead F"),
                ),
            ),
            h(
                "label",
                null,
                "Scale ",
                h(
                    "select",
                    { name: "scale", onchange: choose((v) => (this.scale = v as "auto" | "linear" | "log")) },
                    h("option", { value: "auto" }, "auto"),
                    h("option", { value: "linear" }, "linear"),
                    h("option", { value: "log" }, "log"),
                ),
            ),
            h(
                "label",
                null,
                "RAM ",
                h(
                    "select",
                    { name: "ram", onchange: choose((v) => (this.withInput = v === "input")) },
                    h("option", { value: "arena" }, "arena"),
                    h("option", { value: "input" }, "arena + input"),
                ),
            ),
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
        const header = [
            "model",
            "spec",
            "arena_bytes",
            "input_bytes",
            "input",
            "macs",
            "overhead",
            "blocks",
            "strategies",
            "board",
            "kind",
            "ms",
            "cycles",
            "instructions",
            "stack_bytes",
            "static_bytes",
            "timing",
        ];
        const rows = this.points.all.flatMap((p) => {
            const base = [
                this.model.name,
                p.spec,
                p.arena_bytes,
                p.input_bytes,
                p.input_streamed ? "streamed" : "random",
                p.macs,
                p.overhead,
                p.blocks,
                [...p.strategies].join(" "),
            ];
            const predicted = [...p.predicted_ms].map(([board, t]) => [...base, board, "predicted", t]);
            const measured = p.measured.map((m) => [
                ...base,
                m.board,
                m.emulated ? "emulated" : "hardware",
                m.ms,
                m.cycles,
                m.instructions,
                m.stack_bytes,
                m.static_bytes,
                m.timing,
            ]);
            const all = [...predicted, ...measured];
            return all.length ? all : [[...base, null, "predicted", null]];
        });
        return toCsv(header, rows);
    }

    private json(): string {
        const points = this.points.all.map((p) => ({
            ...p,
            predicted_ms: Object.fromEntries(p.predicted_ms),
            does_not_fit: [...p.does_not_fit],
            strategies: [...p.strategies],
        }));
        return JSON.stringify({ model: this.model, points }, null, 2);
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
