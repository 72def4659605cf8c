// SPDX-License-Identifier: MIT
// The selected configuration: its size, prediction beside measurement on the boards shown, and its blocks.
import { get, logPath, type Config, type Layer, type Model, type Result, type Timeline } from "./api.ts";
import { drawBlocks, shares, showBlock } from "./blocks.ts";
import { fill, h, type Child } from "./dom.ts";
import * as format from "./format.ts";
import { emulatedBadge, fileLink, problem } from "./parts.ts";
import { measuredName, type Point } from "./points.ts";
import { drawTimeline } from "./timeline.ts";

export class Detail {
    private readonly body = h("div", { class: "detail-body" });
    private readonly announcement = h("p", { class: "hidden", role: "status" }); // the whole section would be too much
    readonly element = h(
        "section",
        { class: "card detail", "aria-label": "Selected configuration" },
        this.announcement,
        this.body,
    );
    private drawn = "";
    private layers: Promise<Layer[]> | null = null;

    constructor(
        private readonly model: Model,
        private readonly signal: AbortSignal,
    ) {
        fill(
            this.body,
            h("h2", null, "Blocks"),
            h(
                "p",
                { class: "quiet" },
                "Choose a point in the plot, a row of the table or a budget's answer to see how it runs.",
            ),
        );
    }

    /** Shows a configuration with the boards chosen; cheap when nothing of it changed. */
    async show(point: Point, boards: readonly string[]): Promise<void> {
        // Drawn again only when something in it changed: a live campaign must not fold the blocks that the user opened.
        const state = JSON.stringify([
            point.spec,
            point.measured.map((m) => m.result),
            boards,
            boards.map((b) => point.predicted_ms.get(b)),
        ]);
        if (state === this.drawn) return;
        this.drawn = state;
        try {
            const measured = point.measured.filter((m) => boards.includes(m.board));
            this.layers ??= get<Layer[]>(`/models/${this.model.id}/layers`, this.signal);
            const spec = encodeURIComponent(point.spec);
            const [layers, config, timeline, ...results] = await Promise.all([
                this.layers,
                get<Config>(`/models/${this.model.id}/config?spec=${spec}`, this.signal),
                get<Timeline>(`/models/${this.model.id}/timeline?spec=${spec}`, this.signal),
                ...measured.map((m) => get<Result>(`/results/${m.result}`, this.signal)),
            ]);
            if (this.drawn !== state) return;
            const cycles =
                results.find((r) => r.block_cycles?.length === config.block_list.length)?.block_cycles.map(Number) ??
                null;
            const profiled = results.find((r) => r.profile);
            const measuredLayers = profiled?.profile
                ? {
                      board: profiled.board,
                      clock_hz: profiled.clock_hz,
                      profile: profiled.profile,
                      blocks: timeline.blocks,
                  }
                : null;
            const size = `${format.kb(config.arena_bytes)} of RAM, F ${format.overhead(config.overhead)}`;
            this.announcement.textContent = `${size}: ${format.plural(config.block_list.length, "block")} shown`;
            fill(
                this.body,
                h("h2", null, size),
                h(
                    "p",
                    { class: "facts" },
                    h(
                        "span",
                        null,
                        h("b", null, format.exactBytes(config.arena_bytes)),
                        ` arena, ${format.saving(config.arena_bytes, this.model.plain_arena_bytes)}`,
                    ),
                    h(
                        "span",
                        null,
                        h("b", null, `+ ${format.exactBytes(config.input_bytes)}`),
                        ` if the input is resident (${config.input_streamed ? "can be streamed" : "read in random order"})`,
                    ),
                    h("span", null, h("b", null, format.count(config.macs)), " MACs"),
                ),
                specLine(point.spec),
                h(
                    "div",
                    { class: "detail-top" },
                    measured.length || boards.some((b) => point.predicted_ms.has(b))
                        ? comparison(point, results, boards)
                        : null,
                    drawTimeline(timeline, layers, shares(config.block_list, cycles), cycles !== null, showBlock),
                ),
                drawBlocks(config.block_list, layers, cycles, measuredLayers),
            );
        } catch (error) {
            if (this.signal.aborted) return;
            this.layers = null; // asked for again with the next selection, not with every event of a live campaign
            fill(this.body, h("h2", null, "Blocks"), problem(error, "The configuration could not be read"));
        }
    }
}

function specLine(spec: string): HTMLElement {
    const copy = h(
        "button",
        {
            type: "button",
            onclick: () => void navigator.clipboard?.writeText(spec).then(() => (copy.textContent = "copied")),
        },
        "copy",
    );
    return h("p", { class: "spec-line" }, h("code", null, spec), navigator.clipboard ? copy : null);
}

function comparison(point: Point, results: Result[], boards: readonly string[]): HTMLElement {
    // One column for each result (or prediction without one), so that it fits a phone.
    const columns = boards.flatMap((board): { board: string; predicted: number | undefined; r: Result | null }[] => {
        const predicted = point.predicted_ms.get(board);
        const mine = results.filter((r) => r.board === board);
        if (mine.length) return mine.map((r) => ({ board, predicted, r }));
        return predicted === undefined ? [] : [{ board, predicted, r: null }];
    });
    const row = (name: string, cell: (c: (typeof columns)[number]) => Child) => {
        const cells = columns.map(cell);
        return (
            cells.some((c) => c !== null) && // nothing but predictions: the rows of measurements would be empty
            h(
                "tr",
                null,
                h("th", { scope: "row" }, name),
                cells.map((c) => h("td", null, c ?? "–")),
            )
        );
    };
    const of = (cell: (r: Result) => Child) => (c: (typeof columns)[number]) => (c.r ? cell(c.r) : null);
    return h(
        "div",
        { class: "scroll", tabindex: 0, role: "region", "aria-label": "Predicted and measured" },
        h(
            "table",
            { class: "comparison" },
            h(
                "thead",
                null,
                h(
                    "tr",
                    null,
                    h("td"),
                    columns.map((c) =>
                        h(
                            "th",
                            { scope: "col" },
                            c.board,
                            " ",
                            c.r
                                ? c.r.emulated
                                    ? emulatedBadge()
                                    : h("span", { class: "badge" }, measuredName(false))
                                : h("span", { class: "badge" }, "predicted only"),
                        ),
                    ),
                ),
            ),
            h(
                "tbody",
                null,
                row(
                    "latency",
                    of((r) => h("b", null, format.ms(r.ms))),
                ),
                row("predicted", (c) =>
                    c.predicted === undefined
                        ? null
                        : `${format.ms(c.predicted)}${c.r ? ` (${format.difference(c.r.ms, c.predicted)})` : ""}`,
                ),
                row(
                    "cycles, median",
                    of((r) => format.count(r.cycles.median)),
                ),
                row(
                    "min … max",
                    of((r) => `${format.count(r.cycles.min)} … ${format.count(r.cycles.max)}`),
                ),
                row(
                    "instructions",
                    of((r) => format.count(r.instructions)),
                ),
                row(
                    "arena",
                    of(
                        (r) =>
                            `${format.exactBytes(r.arena_bytes)}, ${r.arena_bytes === r.predicted_arena_bytes ? "as predicted" : `predicted ${format.exactBytes(r.predicted_arena_bytes)}`}`,
                    ),
                ),
                row(
                    "stack, static",
                    of((r) => `${format.exactBytes(r.stack_bytes)}, ${format.exactBytes(r.static_bytes)}`),
                ),
                row(
                    "output",
                    of((r) => `${r.output}, CRC-32 ${r.output_crc32}`),
                ),
                row(
                    "timing",
                    of((r) =>
                        r.emulated
                            ? `model ${r.timing ?? "unnamed"} ${r.timing_version ?? ""}`
                            : "cycle counter of the board",
                    ),
                ),
                row(
                    "kernels",
                    of((r) => r.kernels),
                ),
                row(
                    "job",
                    of((r) => [`${r.job} on ${r.rig}, `, fileLink(logPath(r.job), "log")]),
                ),
            ),
        ),
    );
}
