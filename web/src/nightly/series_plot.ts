// SPDX-License-Identifier: MIT
// A series from night to night: every raw point, the median and band that each night was judged by, steps, and markers
// where firmware, toolchain or rig changed.
import { ScatterChart, LineChart } from "echarts/charts";
import * as echarts from "echarts/core";
import type { EChartsCoreOption } from "echarts/core";
import { chartLook } from "../chart.ts";
import { h } from "../dom.ts";
import * as format from "../format.ts";
import { colour } from "../theme.ts";
import type { RunPoint, SeriesDetail } from "./api.ts";
import { metricValue, slotDay, slotTime } from "./words.ts";

echarts.use([LineChart, ScatterChart]);

export type Metric = "ms" | "arena_bytes" | "flash_bytes";

/** Milliseconds of a cycle count at the clock of the series' points. */
function toMs(series: SeriesDetail, cycles: number | null): number | null {
    const clock = series.points.find((p) => p.clock_hz)?.clock_hz;
    return cycles === null || !clock ? null : (cycles / clock) * 1000;
}

export function seriesOption(series: SeriesDetail, metric: Metric, narrow: boolean): EChartsCoreOption {
    const look = chartLook();
    const slots = [...new Map(series.points.map((p) => [p.run, p.slot])).entries()];
    const x = new Map(slots.map(([run], i) => [run, i]));
    const value = (p: RunPoint) => p[metric];
    const main = series.points.filter((p) => p.rerun === 0 && value(p) !== null);
    const reruns = series.points.filter((p) => metric === "ms" && p.rerun > 0 && value(p) !== null);
    const dots = (points: readonly RunPoint[]) => points.map((p) => [x.get(p.run)!, value(p)!]);
    const accent = colour("--accent");
    const alarm = new Set(
        series.findings.filter((f) => f.regression && f.state !== "unconfirmed").map((f) => f.first_run),
    );
    const out: Record<string, unknown>[] = [];
    if (metric === "ms") {
        const band = series.band.filter((b) => b.low !== null && b.high !== null && x.has(b.run));
        const low = band.map((b) => [x.get(b.run)!, toMs(series, b.low)]);
        const width = band.map((b) => [x.get(b.run)!, toMs(series, b.high! - b.low!)]);
        const plain = { type: "line", symbol: "none", silent: true, step: "end" };
        out.push(
            { ...plain, id: "band low", name: "band", stack: "band", data: low, lineStyle: { opacity: 0 } },
            {
                ...plain,
                id: "band",
                name: "band",
                stack: "band",
                data: width,
                lineStyle: { opacity: 0 },
                areaStyle: { color: accent, opacity: 0.16 },
            },
            {
                ...plain,
                id: "median",
                name: "median",
                data: band.map((b) => [x.get(b.run)!, toMs(series, b.median)]),
                lineStyle: { color: accent, width: 1.5, type: [5, 4] },
            },
        );
    } else {
        out.push({
            type: "line",
            id: "steps",
            name: "value",
            symbol: "none",
            silent: true,
            step: "end",
            data: dots(main),
            lineStyle: { color: accent, width: 1.5 },
        });
    }
    out.push(
        {
            type: "scatter",
            id: "points",
            name: "measured",
            data: main.map((p) => ({
                value: [x.get(p.run)!, value(p)!],
                itemStyle: alarm.has(p.run) ? { color: colour("--bad"), borderColor: colour("--bad") } : undefined,
                symbolSize: alarm.has(p.run) ? 11 : 7,
            })),
            itemStyle: { color: colour("--surface"), borderColor: accent, borderWidth: 1.6 },
            markLine: {
                symbol: "none",
                silent: true,
                label: { show: false },
                lineStyle: { color: colour("--ink-soft"), type: "dotted", width: 1 },
                data: [...new Set(series.markers.map((m) => x.get(m.run)))]
                    .filter((at) => at !== undefined)
                    .map((at) => ({ xAxis: at })),
            },
        },
        {
            type: "scatter",
            id: "reruns",
            name: "measured again",
            symbol: "triangle",
            symbolSize: 7,
            data: dots(reruns),
            itemStyle: { color: colour("--warn") },
        },
    );
    return {
        animation: false,
        textStyle: look.text,
        grid: { left: narrow ? 58 : 76, right: 18, top: 28, bottom: 40 },
        tooltip: {
            ...look.tooltip,
            trigger: "item",
            formatter: (params: { seriesId?: string; dataIndex: number }) => {
                const point = (params.seriesId === "reruns" ? reruns : main)[params.dataIndex];
                return point ? tip(series, point) : "";
            },
        },
        xAxis: {
            type: "value",
            min: -0.5,
            max: Math.max(slots.length - 0.5, 0.5),
            ...look.axis,
            splitLine: { show: false },
            minInterval: 1,
            axisLabel: {
                ...look.axis.axisLabel,
                formatter: (i: number) => (Number.isInteger(i) && slots[i] ? slotDay(slots[i][1]).slice(5) : ""),
            },
        },
        yAxis: {
            type: "value",
            scale: true,
            ...look.axis,
            name: metric === "ms" ? "latency, ms" : metric === "arena_bytes" ? "RAM (arena), B" : "flash, B",
            nameTextStyle: { ...look.text, align: "left", padding: [0, 0, 0, narrow ? -46 : -62] },
            axisLine: { show: false },
        },
        series: out,
    };
}

function tip(series: SeriesDetail, p: RunPoint): HTMLElement {
    const row = (name: string, value: string) => [h("dt", null, name), h("dd", null, value)];
    const markers = series.markers.filter((m) => m.run === p.run).map((m) => m.kind);
    return h(
        "div",
        { class: "tip" },
        h("strong", null, `run ${p.run}${p.rerun ? `, measured again (${p.rerun})` : ""}`),
        h(
            "dl",
            null,
            row("night", slotTime(p.slot)),
            row("latency", format.ms(p.ms)),
            p.cycles && row("cycles", format.count(p.cycles.median)),
            row("RAM (arena)", format.exactBytes(p.arena_bytes)),
            row("flash", format.exactBytes(p.flash_bytes)),
            p.rig && row("rig", p.rig),
            p.firmware && row("firmware", p.firmware.slice(0, 12)),
        ),
        markers.length > 0 && h("p", null, `changed: ${markers.join(", ")}`),
        p.emulated && h("p", null, "emulated"),
    );
}

export function seriesLabel(series: SeriesDetail): string {
    const last = series.points.filter((p) => p.rerun === 0 && p.cycles).at(-1);
    return (
        `Nights of ${series.model_name} on ${series.board}, ${series.configuration}: ` +
        `${format.plural(series.points.length, "point")}, last ${last ? metricValue("cycles", Number(last.cycles!.median)) : "none"}. ` +
        "The table below holds the same points."
    );
}
