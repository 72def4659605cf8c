// SPDX-License-Identifier: MIT
// An ECharts canvas that keeps its size and colour scheme; what it draws is the caller's. The page of a model has its own
// (plot.ts).
import * as echarts from "echarts/core";
import type { EChartsCoreOption } from "echarts/core";
import { h } from "./dom.ts";
import { colour, DARK } from "./theme.ts";

export class Chart {
    readonly element: HTMLElement;
    private chart: echarts.ECharts | null = null;
    private make: ((narrow: boolean) => EChartsCoreOption) | null = null;
    onClick: (event: { seriesId?: string; dataIndex: number }) => void = () => {};

    constructor(signal: AbortSignal, kind: string) {
        this.element = h("div", { class: `plot ${kind}`, role: "img" });
        const observer = new ResizeObserver(() => {
            this.chart?.resize();
            this.redraw();
        });
        observer.observe(this.element);
        matchMedia(DARK).addEventListener("change", () => this.redraw(), { signal });
        signal.addEventListener("abort", () => {
            observer.disconnect();
            this.chart?.dispose();
            this.chart = null;
        });
    }

    /** `make` is called again whenever size or colours change. */
    draw(label: string, make: (narrow: boolean) => EChartsCoreOption): void {
        this.make = make;
        this.element.setAttribute("aria-label", label);
        this.redraw();
    }

    private redraw(): void {
        if (!this.make || !this.element.isConnected) return;
        if (!this.chart) {
            this.chart = echarts.init(this.element, null, { renderer: "canvas" });
            Object.assign(this.element, { chart: this.chart }); // tests read the canvas here
            this.chart.on("click", (event) => this.onClick(event as { seriesId?: string; dataIndex: number }));
        }
        this.chart.setOption(this.make(this.element.clientWidth < 560), { notMerge: true, lazyUpdate: true });
    }
}

/** The box of a tooltip: its contents bring their own look (class plot-tip). */
export const TIP = {
    confine: true,
    borderWidth: 0,
    padding: 0,
    backgroundColor: "transparent",
    className: "plot-tip",
    extraCssText: "box-shadow:none",
    transitionDuration: 0,
};

/** Text, axis lines and tooltip as every plot of the page has them. */
export function chartLook() {
    const text = { color: colour("--ink-soft"), fontFamily: getComputedStyle(document.body).fontFamily, fontSize: 12 };
    const line = colour("--line");
    return {
        text,
        axis: {
            axisLabel: { ...text, hideOverlap: true },
            nameTextStyle: text,
            axisLine: { lineStyle: { color: line } },
            axisTick: { lineStyle: { color: line } },
            splitLine: { lineStyle: { color: line, opacity: 0.6 } },
        },
        tooltip: TIP,
    };
}
