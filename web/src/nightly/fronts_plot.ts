// SPDX-License-Identifier: MIT
// Two fronts of a model on a board, laid over each other: before hollow and dashed, after filled and solid.
import { LineChart, ScatterChart } from "echarts/charts";
import * as echarts from "echarts/core";
import type { EChartsCoreOption } from "echarts/core";
import { chartLook } from "../chart.ts";
import { h } from "../dom.ts";
import * as format from "../format.ts";
import { logTicks } from "../pareto.ts";
import { colour } from "../theme.ts";
import type { CompareCell, FrontDot } from "./api.ts";

echarts.use([LineChart, ScatterChart]);

export function frontsOption(cell: CompareCell, narrow: boolean): EChartsCoreOption {
    const look = chartLook();
    const soft = colour("--ink-soft");
    const accent = colour("--accent");
    const all = [...cell.before, ...cell.after].map((d) => d.ram_bytes / 1000);
    const ticks = logTicks(Math.min(...all) * 0.9, Math.max(...all) * 1.1, narrow ? 4 : 7);
    const value = (d: FrontDot) => [d.ram_bytes / 1000, d.ms];
    const front = (id: string, dots: readonly FrontDot[], tint: string, dashed: boolean) => ({
        type: "line",
        id,
        name: id,
        step: "end",
        symbol: "none",
        silent: true,
        data: dots
            .filter((d) => d.on_front)
            .sort((a, b) => a.ram_bytes - b.ram_bytes)
            .map(value),
        lineStyle: { color: tint, width: 1.6, type: dashed ? [5, 4] : "solid" },
    });
    const scatter = (id: string, dots: readonly FrontDot[], tint: string, filled: boolean) => ({
        type: "scatter",
        id,
        name: id,
        data: dots.map(value),
        symbolSize: filled ? 8 : 12,
        itemStyle: { color: filled ? tint : "transparent", borderColor: tint, borderWidth: 1.6 },
    });
    return {
        animation: false,
        textStyle: look.text,
        grid: { left: narrow ? 50 : 64, right: 18, top: 28, bottom: 46 },
        tooltip: {
            ...look.tooltip,
            trigger: "item",
            formatter: (params: { seriesId?: string; dataIndex: number }) => {
                const before = params.seriesId === "before";
                const dot = (before ? cell.before : cell.after)[params.dataIndex];
                return dot ? tip(dot, before) : "";
            },
        },
        xAxis: {
            type: "log",
            logBase: 2,
            min: "dataMin",
            max: "dataMax",
            ...look.axis,
            name: "RAM (arena), kB",
            nameLocation: "middle",
            nameGap: 30,
            splitLine: { show: false },
            axisLabel: {
                ...look.axis.axisLabel,
                customValues: ticks,
                formatter: (v: number) => String(format.roundTo(v, 1)),
            },
        },
        yAxis: {
            type: "value",
            scale: true,
            ...look.axis,
            name: "latency, ms",
            nameTextStyle: { ...look.text, align: "left", padding: [0, 0, 0, narrow ? -38 : -50] },
            axisLine: { show: false },
        },
        series: [
            front("front before", cell.before, soft, true),
            front("front after", cell.after, accent, false),
            scatter("before", cell.before, soft, false),
            scatter("after", cell.after, accent, true),
        ],
    };
}

function tip(dot: FrontDot, before: boolean): HTMLElement {
    const row = (name: string, value: string) => [h("dt", null, name), h("dd", null, value)];
    return h(
        "div",
        { class: "tip" },
        h("strong", null, `${dot.configuration}, ${before ? "before" : "after"}`),
        h("dl", null, row("RAM", format.exactBytes(dot.ram_bytes)), row("latency", format.ms(dot.ms))),
        h("p", null, `${dot.on_front ? "on the front" : "beaten by another"}${dot.emulated ? ", emulated" : ""}`),
    );
}
