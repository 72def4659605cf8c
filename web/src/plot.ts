// SPDX-License-Identifier: MIT
// The trade-off plot: RAM (log) against latency or overhead. Hollow = predicted, filled = measured; a circle is real
// hardware, a diamond an emulated board; colour = board; the step line is the front. Where several strategies are to be
// compared, the shape is the strategy, and on one board its colour is too; emulated points are then paler.
import * as echarts from "echarts/core";
import { LineChart, ScatterChart } from "echarts/charts";
import {
    DataZoomInsideComponent,
    GridComponent,
    LegendScrollComponent,
    MarkLineComponent,
    TooltipComponent,
} from "echarts/components";
import { CanvasRenderer, SVGRenderer } from "echarts/renderers";
import type { EChartsCoreOption } from "echarts/core";
import { TIP } from "./chart.ts";
import { h, onceAFrame } from "./dom.ts";
import * as format from "./format.ts";
import { colour, DARK, dark } from "./theme.ts";
import { frontOf, logTicks } from "./pareto.ts";
import { measuredName, ramOf, type Point } from "./points.ts";
import type { Measured } from "./api.ts";
import { describeSpec } from "./spec.ts";
import { belongs, PARETO, strategiesOf, strategyNames, type Strategy } from "./strategies.ts";

echarts.use([
    LineChart,
    ScatterChart,
    GridComponent,
    TooltipComponent,
    LegendScrollComponent,
    MarkLineComponent,
    DataZoomInsideComponent,
    CanvasRenderer,
    SVGRenderer,
]);

/** ms: measured, and predicted where it is not; predicted: what the boards' latency models say, alone. */
export type Height = "ms" | "predicted" | "overhead";

const HEIGHTS: Record<Height, string> = {
    ms: "latency, ms",
    predicted: "predicted latency, ms",
    overhead: "overhead F = MACs ÷ plain MACs",
};

export interface PlotView {
    points: Point[];
    version: number; // of the points
    boards: string[]; // shown
    colours: Map<string, string>; // board -> CSS variable name
    y: Height;
    logY: boolean;
    withInput: boolean;
    selected: string | null; // spec
    marks: { label: string; spec: string }[]; // answers of the sliders
    limits: { ram: number | null; overhead: number | null };
}

interface Series {
    id: string;
    name: string;
    inLegend: boolean;
    [option: string]: unknown;
}

type AddScatter = (
    id: string,
    name: string,
    dots: Dot[],
    tint: string,
    symbol: string,
    filled: boolean,
    size: number,
    opacity?: number,
) => void;
type AddSteps = (id: string, name: string, dots: Dot[], tint: string, dashed: boolean) => void;

interface Dot {
    value: [number, number];
    point: Point;
    board: string | null;
    measured: Measured | null;
}

const NARROW = 560; // pixels: below, labels and margins shrink
const LARGE = 3000; // points of one series above which it is drawn as one path

export class Plot {
    readonly element = h("div", { class: "plot", role: "img" });
    private chart: echarts.ECharts | null = null;
    private view: PlotView | null = null;
    private seriesShown = "";
    private drawn = "";
    // ECharts copies its data deeply, so it gets numbers only; what they stand for is found by series and index.
    private readonly dots = new Map<string, Dot[]>();
    onSelect: (spec: string) => void = () => {};

    constructor(signal: AbortSignal) {
        const redraw = () => this.view && this.draw(this.view);
        matchMedia(DARK).addEventListener("change", redraw, { signal });
        const observer = new ResizeObserver(() => {
            this.chart?.resize();
            redraw();
        });
        observer.observe(this.element);
        signal.addEventListener("abort", () => {
            observer.disconnect();
            this.chart?.dispose();
            this.chart = null;
        });
    }

    draw(view: PlotView): void {
        this.view = view;
        if (!this.element.isConnected) return;
        if (!this.chart) {
            this.chart = echarts.init(this.element, null, { renderer: "canvas" });
            Object.assign(this.element, { chart: this.chart }); // what a canvas shows cannot be read from the document: tests ask here
            this.chart.on("click", (event) => {
                const dot = this.dotOf(event);
                if (dot) this.onSelect(dot.point.spec);
            });
            this.chart.on("datazoom", this.retick);
            this.chart.getZr().on("dblclick", () => {
                for (const dataZoomIndex of [0, 1])
                    this.chart?.dispatchAction({ type: "dataZoom", dataZoomIndex, start: 0, end: 100 });
            });
        }
        // A moved slider or another selection changes rings and lines only: the points, maybe thousands, stay as they are.
        const { marks: _m, limits: _l, selected: _s, points: _p, ...rest } = view;
        const base = JSON.stringify([rest, [...view.colours], dark(), this.element.clientWidth < NARROW]);
        if (base === this.drawn) {
            this.chart.setOption(
                { series: this.overlay(view).map(({ inLegend: _, ...series }) => series) },
                { lazyUpdate: true },
            );
            return;
        }
        const option = this.option(view, true);
        const names = (option.series as { id: string }[]).map((s) => s.id).join("|");
        // Only a change of the set of series needs a rebuild; otherwise the zoom stays as the user left it.
        this.chart.setOption(
            option,
            names === this.seriesShown
                ? { lazyUpdate: true }
                : { replaceMerge: ["series", "legend"], lazyUpdate: true },
        );
        this.seriesShown = names;
        this.drawn = base;
        this.element.setAttribute("aria-label", this.describe(view));
    }

    png(): string {
        return this.chart!.getDataURL({ type: "png", pixelRatio: 2, backgroundColor: colour("--surface") });
    }

    svg(): string {
        const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width: 1200, height: 720 });
        chart.setOption({ ...this.option(this.view!, false), backgroundColor: colour("--surface") });
        const text = chart.renderToSVGString();
        chart.dispose();
        return text;
    }

    /** After a zoom other round values fit the part of the axis that is seen. */
    private readonly retick = onceAFrame(() => {
        if (!this.chart || !this.view) return;
        const [left, right] = this.margins();
        const [min, max] = [left, this.element.clientWidth - right].map((x) =>
            Number(this.chart!.convertFromPixel({ xAxisIndex: 0 }, x)),
        );
        const customValues = logTicks(min!, max!, this.element.clientWidth < NARROW ? 5 : 9);
        this.chart.setOption(
            { xAxis: { axisLabel: { customValues }, axisTick: { customValues } } },
            { lazyUpdate: true },
        );
    });

    /** Left and right of the plotting area, in pixels. */
    private margins(): [number, number] {
        return this.element.clientWidth < NARROW ? [48, 14] : [64, 26];
    }

    private dotOf(event: { seriesId?: string; dataIndex: number }): Dot | undefined {
        return this.dots.get(event.seriesId ?? "")?.[event.dataIndex];
    }

    private describe(view: PlotView): string {
        const measured = view.points.reduce(
            (n, p) => n + p.measured.filter((m) => view.boards.includes(m.board)).length,
            0,
        );
        return (
            `Plot of RAM against ${HEIGHTS[view.y]}: ${format.plural(view.points.length, "configuration")}, ` +
            `${view.y === "predicted" ? "no measurement" : format.plural(measured, "measurement")}. ` +
            "The table below holds the same points."
        );
    }

    private option(view: PlotView, interactive: boolean): EChartsCoreOption {
        const ink = colour("--ink");
        const soft = colour("--ink-soft");
        const line = colour("--line");
        const narrow = interactive && this.element.clientWidth < NARROW;
        const series = [...this.series(view), ...this.overlay(view)];
        const text = {
            color: soft,
            fontFamily: getComputedStyle(document.body).fontFamily,
            fontSize: narrow ? 11 : 12,
        };
        const range = xRange(view);
        const ticks = range ? logTicks(range.min, range.max, narrow ? 5 : 9) : [];
        return {
            animation: false,
            textStyle: text,
            grid: {
                left: interactive ? this.margins()[0] : 64,
                right: interactive ? this.margins()[1] : 26,
                top: 30,
                bottom: narrow ? 96 : 86,
            },
            legend: {
                type: "scroll",
                bottom: 2,
                left: "center",
                itemGap: 16,
                itemWidth: 16,
                itemHeight: 10,
                textStyle: { ...text, color: ink },
                pageTextStyle: text,
                pageIconColor: soft,
                pageIconInactiveColor: line,
                data: series.filter((s) => s.inLegend).map((s) => ({ name: s.name })),
            },
            tooltip: interactive
                ? {
                      trigger: "item",
                      ...TIP,
                      formatter: (params: { seriesId?: string; dataIndex: number }) => {
                          const dot = this.dotOf(params);
                          return dot ? tip(dot) : "";
                      },
                  }
                : { show: false },
            xAxis: {
                type: "log",
                logBase: 2,
                name: view.withInput ? "RAM with resident input, kB" : "RAM (arena), kB",
                nameLocation: "middle",
                nameGap: 30,
                nameTextStyle: text,
                min: range?.min ?? "dataMin",
                max: range?.max ?? "dataMax",
                axisLabel: { ...text, hideOverlap: true, customValues: ticks, formatter: (v: number) => tickLabel(v) },
                axisLine: { lineStyle: { color: line } },
                axisTick: { lineStyle: { color: line }, customValues: ticks },
                splitLine: { show: false },
            },
            yAxis: {
                type: view.logY ? "log" : "value",
                logBase: 2,
                scale: true,
                name: HEIGHTS[view.y],
                nameTextStyle: { ...text, align: "left", padding: [0, 0, 0, narrow ? -40 : -50] },
                axisLabel: { ...text, formatter: (v: number) => tickLabel(v) },
                axisLine: { show: false },
                splitLine: { lineStyle: { color: line, opacity: 0.6 } },
            },
            dataZoom: interactive
                ? [
                      {
                          type: "inside",
                          xAxisIndex: 0,
                          filterMode: "none",
                          zoomOnMouseWheel: "ctrl",
                          moveOnMouseWheel: false,
                          preventDefaultMouseMove: false,
                      },
                      {
                          type: "inside",
                          yAxisIndex: 0,
                          filterMode: "none",
                          zoomOnMouseWheel: "ctrl",
                          moveOnMouseWheel: false,
                          preventDefaultMouseMove: false,
                      },
                  ]
                : [],
            series: series.map(({ inLegend: _, ...rest }) => rest),
        };
    }

    private series(view: PlotView): Series[] {
        const x = (p: Point) => ramOf(p, view.withInput) / 1000;
        const out: Series[] = [];
        const surface = colour("--surface");

        // A front shares the name of its points, so that the legend switches both; the legend draws the first of a name.
        const steps = (id: string, name: string, dots: Dot[], tint: string, dashed: boolean) => {
            const front = frontOf(
                dots,
                (d) => d.value[0],
                (d) => d.value[1],
            );
            out.push({
                id: `front ${id}`,
                name,
                inLegend: false,
                type: "line",
                step: "end",
                symbol: "none",
                silent: true,
                z: 1,
                data: front.map((d) => d.value),
                lineStyle: {
                    color: tint,
                    width: 1.5,
                    type: dashed && dots.length <= LARGE ? [4, 4] : "solid",
                    opacity: dashed ? 0.55 : 0.9,
                },
            });
        };
        const scatter = (
            id: string,
            name: string,
            dots: Dot[],
            tint: string,
            symbol: string,
            filled: boolean,
            size: number,
            opacity = 1,
        ) => {
            this.dots.set(id, dots);
            out.push({
                id,
                name,
                inLegend: true,
                type: "scatter",
                symbol,
                symbolSize: dots.length > LARGE ? size / 2 : size,
                z: filled ? 4 : 2,
                data: dots.map((d) => d.value),
                large: dots.length > LARGE,
                largeThreshold: LARGE,
                itemStyle: filled
                    ? { color: tint, borderColor: surface, borderWidth: 1, opacity }
                    : { color: surface, borderColor: tint, borderWidth: 1.5, opacity: 1 },
                emphasis: { scale: 1.5 },
            });
        };

        const strategies = strategiesOf(view.points);
        if (strategies.length) {
            this.compare(view, strategies, scatter, steps);
            return out;
        }
        if (view.y === "overhead") {
            const dots = view.points
                .filter((p) => p.overhead !== null)
                .map((p): Dot => ({ value: [x(p), p.overhead!], point: p, board: null, measured: null }));
            scatter("predicted", "predicted, any board", dots, colour("--ink-soft"), "circle", false, 8);
            steps("all", "predicted, any board", dots, colour("--ink-soft"), true);
        }
        for (const board of view.boards) {
            const tint = colour(view.colours.get(board) ?? "--board-1");
            if (view.y !== "overhead") {
                const dots = view.points
                    .filter((p) => p.predicted_ms.has(board))
                    .map((p): Dot => ({ value: [x(p), p.predicted_ms.get(board)!], point: p, board, measured: null }));
                if (dots.length) {
                    scatter(`predicted ${board}`, `${board}: predicted`, dots, tint, "circle", false, 8);
                    steps(`predicted ${board}`, `${board}: predicted`, dots, tint, true);
                }
            }
            for (const emulated of view.y === "predicted" ? [] : [false, true]) {
                const dots: Dot[] = [];
                for (const p of view.points) {
                    for (const m of p.measured) {
                        if (m.board !== board || m.emulated !== emulated) continue;
                        const y = view.y === "ms" ? m.ms : p.overhead;
                        if (y !== null) dots.push({ value: [x(p), y], point: p, board, measured: m });
                    }
                }
                if (!dots.length) continue;
                const id = `${emulated ? "emulated" : "hardware"} ${board}`;
                const name = `${board}: ${measuredName(emulated)}`;
                scatter(id, name, dots, tint, emulated ? "diamond" : "circle", true, emulated ? 13 : 11);
                if (view.y === "ms") steps(id, name, dots, tint, false);
            }
        }

        return out;
    }

    /** One series for each strategy, board and kind of result. */
    private compare(view: PlotView, strategies: Strategy[], scatter: AddScatter, steps: AddSteps): void {
        const x = (p: Point) => ramOf(p, view.withInput) / 1000;
        const one = view.boards.length === 1;
        for (const strategy of strategies) {
            const mine = view.points.filter((p) => belongs(p, strategy));
            if (view.y === "overhead") {
                const dots = mine
                    .filter((p) => p.overhead !== null)
                    .map((p): Dot => ({ value: [x(p), p.overhead!], point: p, board: null, measured: null }));
                const tint = colour(strategy.colour);
                if (!dots.length) continue;
                scatter(`strategy ${strategy.name}`, strategy.name, dots, tint, strategy.symbol, false, 10);
                steps(`strategy ${strategy.name}`, strategy.name, dots, tint, true);
                continue;
            }
            for (const board of view.boards) {
                const tint = colour(one ? strategy.colour : (view.colours.get(board) ?? "--board-1"));
                const label = one ? strategy.name : `${board} ${strategy.name}`;
                for (const emulated of view.y === "predicted" ? [] : [false, true]) {
                    const dots = mine.flatMap((p) =>
                        p.measured
                            .filter((m) => m.board === board && m.emulated === emulated)
                            .map((m): Dot => ({ value: [x(p), m.ms], point: p, board, measured: m })),
                    );
                    if (!dots.length) continue;
                    const id = `${emulated ? "emulated" : "hardware"} ${board} ${strategy.name}`;
                    const name = `${label}, ${emulated ? "emulated" : "hardware"}`;
                    scatter(id, name, dots, tint, strategy.symbol, true, 12, emulated ? 0.75 : 1);
                    steps(id, name, dots, tint, false);
                }
                // The front is a line to compare with; of the others only what is not measured yet.
                const open = mine.filter(
                    (p) =>
                        p.predicted_ms.has(board) &&
                        (view.y === "predicted" ||
                            strategy.name === PARETO ||
                            !p.measured.some((m) => m.board === board)),
                );
                const dots = open.map(
                    (p): Dot => ({ value: [x(p), p.predicted_ms.get(board)!], point: p, board, measured: null }),
                );
                if (!dots.length) continue;
                const id = `predicted ${board} ${strategy.name}`;
                scatter(id, `${label}, predicted`, dots, tint, strategy.symbol, false, 8);
                if (strategy.name === PARETO) steps(id, `${label}, predicted`, dots, tint, true);
            }
        }
    }

    /** Rings around the selected point and the sliders' answers, on top of every dot of that configuration; limits. */
    private overlay(view: PlotView): Series[] {
        const out: Series[] = [];
        const accent = colour("--accent");
        const ring = (id: string, spec: string, label: string, tint: string, size: number) => {
            const point = view.points.find((p) => p.spec === spec);
            const ys = point ? yValues(view, point) : [];
            out.push({
                id,
                name: id,
                inLegend: false,
                type: "scatter",
                silent: true,
                symbol: "circle",
                symbolSize: size,
                z: 6,
                data: ys.map((y) => [ramOf(point!, view.withInput) / 1000, y]),
                itemStyle: { color: "transparent", borderColor: tint, borderWidth: 2 },
                label: label
                    ? { show: true, formatter: label, position: "top", color: tint, fontWeight: 600, distance: 2 }
                    : { show: false },
            });
        };
        const bySpec = new Map<string, string[]>();
        for (const mark of view.marks) bySpec.set(mark.spec, [...(bySpec.get(mark.spec) ?? []), mark.label]);
        const answers = [...bySpec];
        for (let i = 0; i < 2; i++)
            ring(`answer ${i + 1}`, answers[i]?.[0] ?? "", (answers[i]?.[1] ?? []).join(", "), accent, 20);
        ring("selected", view.selected ?? "", "", colour("--ink"), 26);

        const limits: Record<string, unknown>[] = [];
        if (view.limits.ram !== null) limits.push({ xAxis: view.limits.ram / 1000 });
        if (view.limits.overhead !== null && view.y === "overhead") limits.push({ yAxis: view.limits.overhead });
        out.push({
            id: "limits",
            name: "limits",
            inLegend: false,
            type: "line",
            data: [],
            silent: true,
            markLine: {
                silent: true,
                symbol: "none",
                label: { show: false },
                lineStyle: { color: accent, type: [2, 4], width: 1.5 },
                data: limits,
            },
        });
        return out;
    }
}

function yValues(view: PlotView, point: Point): number[] {
    if (view.y === "overhead") return point.overhead === null ? [] : [point.overhead];
    const ys: number[] = [];
    for (const board of view.boards) {
        const measured = view.y === "predicted" ? [] : point.measured.filter((m) => m.board === board);
        const predicted = point.predicted_ms.get(board);
        if (measured.length) ys.push(...measured.map((m) => m.ms));
        else if (predicted !== undefined) ys.push(predicted);
    }
    return ys;
}

function xRange(view: PlotView): { min: number; max: number } | null {
    const xs = view.points.map((p) => ramOf(p, view.withInput) / 1000).filter((v) => v > 0);
    if (!xs.length) return null;
    // A little air on both sides, so that no point sits on the frame.
    return { min: xs.reduce((a, b) => Math.min(a, b)) / 1.12, max: xs.reduce((a, b) => Math.max(a, b)) * 1.12 };
}

function tickLabel(v: number): string {
    return v >= 100 ? v.toFixed(0) : String(Number(v.toPrecision(3)));
}

function tip(dot: Dot): HTMLElement {
    const { point, measured } = dot;
    const row = (name: string, value: string) => [h("dt", null, name), h("dd", null, value)];
    const title =
        dot.board === null
            ? "predicted, any board"
            : `${dot.board}: ${measured ? measuredName(measured.emulated) : "predicted"}`;
    const predicted = dot.board === null ? undefined : point.predicted_ms.get(dot.board);
    return h(
        "div",
        { class: "tip" },
        h("strong", null, title),
        h(
            "dl",
            null,
            row("RAM", `${format.kb(point.arena_bytes)} (${format.exactBytes(point.arena_bytes)})`),
            point.overhead !== null && row("overhead F", point.overhead.toFixed(3)),
            measured && row("latency", format.ms(measured.ms)),
            measured && row("cycles", format.count(measured.cycles)),
            predicted !== undefined && row("predicted", format.ms(predicted)),
            measured?.timing && row("timing model", measured.timing),
            row("blocks", String(point.blocks)),
            row("strategy", strategyNames(point.strategies)),
        ),
        h("p", null, describeSpec(point.spec)),
    );
}
