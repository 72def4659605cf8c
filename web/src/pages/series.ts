// SPDX-License-Identifier: MIT
// One configuration of one model on one board, from night to night: plot, steps, findings, every point.
import { get, post } from "../api.ts";
import { Chart } from "../chart.ts";
import { fill, h, type Child } from "../dom.ts";
import * as format from "../format.ts";
import type { RunPoint, SeriesDetail } from "../nightly/api.ts";
import { seriesLabel, seriesOption, type Metric } from "../nightly/series_plot.ts";
import { triageList } from "../nightly/triage.ts";
import { metricValue, signedPercent, slotDay } from "../nightly/words.ts";
import { emulatedBadge, fileLink, problem } from "../parts.ts";
import { Table, type Column } from "../table.ts";

const METRICS: [Metric, string][] = [
    ["ms", "latency"],
    ["arena_bytes", "RAM"],
    ["flash_bytes", "flash"],
];

export async function seriesPage(root: HTMLElement, signal: AbortSignal, id: number): Promise<void> {
    fill(root, h("p", { class: "quiet page-loading" }, "Loading…"));
    let series = await get<SeriesDetail>(`/series/${id}`, signal);
    document.title = `${series.model_name} on ${series.board} · msf-farm`;
    let metric: Metric = "ms";
    const chart = new Chart(signal, "series-plot");
    const changes = h("div");
    const findings = h("div");
    const status = h("div", { class: "status", "aria-live": "polite" });
    const table = new Table<RunPoint>({
        caption: "Points",
        id: (p) => `${p.run}-${p.rerun}`,
        empty: "No points.",
        sort: { key: "run", descending: true },
    });
    const show = () => {
        chart.draw(seriesLabel(series), (narrow) => seriesOption(series, metric, narrow));
        fill(changes, changeList(series));
        fill(findings, triageList(series.findings, () => void reload(), "Nothing was ever found."));
        table.update(COLUMNS, series.points);
    };
    const reload = async () => {
        series = await get<SeriesDetail>(`/series/${id}`, signal);
        show();
    };
    fill(
        root,
        h(
            "div",
            { class: "page-head" },
            h(
                "p",
                { class: "crumb" },
                h("a", { href: `#/nightly/${series.plan}` }, series.plan),
                series.last_run !== null && [" / ", h("a", { href: `#/runs/${series.last_run}` }, `run ${series.last_run}`)],
            ),
            h("h1", null, `${series.model_name} on ${series.board}`),
            h(
                "p",
                { class: "facts" },
                h("span", null, "configuration ", h("b", null, series.configuration)),
                h("span", null, format.plural(new Set(series.points.map((p) => p.run)).size, "night")),
                series.points.some((p) => p.emulated) && emulatedBadge(),
                h("a", { href: `#/models/${series.model}` }, "the model"),
                fileLink(`/series/${id}/points.csv`, "CSV", `series-${id}.csv`),
            ),
        ),
        h(
            "section",
            { class: "card plot-card", "aria-label": "Plot" },
            h(
                "div",
                { class: "toolbar", role: "group", "aria-label": "What is shown" },
                METRICS.map(([value, text]) =>
                    h(
                        "label",
                        { class: "pick" },
                        h("input", {
                            type: "radio",
                            name: "metric",
                            value,
                            checked: value === metric,
                            onchange: () => {
                                metric = value;
                                show();
                            },
                        }),
                        text,
                    ),
                ),
                h("span", { class: "hint" }, "circle: measured · red: a regression began · triangle: measured again · dashed: median with its band · dotted: something changed"),
            ),
            chart.element,
            resetForm(series, status, reload),
            status,
        ),
        h("section", { class: "card" }, h("h2", null, "Steps and changes"), changes),
        h("section", { class: "card triage-card" }, h("h2", null, "Findings"), findings),
        h("section", { class: "card table-card" }, h("h2", null, "All points"), table.element),
    );
    show();
}

function changeList(series: SeriesDetail): Child {
    if (!series.changes.length && !series.markers.length) return h("p", { class: "empty" }, "Nothing ever changed.");
    const day = new Map(series.points.map((p) => [p.run, slotDay(p.slot)]));
    const short = (text: string | null) => (text === null ? "–" : text.length > 24 ? `${text.slice(0, 24)}…` : text);
    const rows = [
        ...series.changes.map((c) => ({
            run: c.run,
            what: `step in ${c.metric.replace("_bytes", "")}`,
            text: `${metricValue(c.metric, c.before)} → ${metricValue(c.metric, c.after)} (${signedPercent(c.percent)})`,
        })),
        ...series.markers.map((m) => ({ run: m.run, what: m.kind, text: `${short(m.from)} → ${short(m.to)}` })),
    ].sort((a, b) => b.run - a.run);
    return h(
        "div",
        { class: "scroll changes" },
        h(
            "table",
            null,
            h("thead", null, h("tr", null, h("th", null, "night"), h("th", null, "what"), h("th", null, "from → to"))),
            h(
                "tbody",
                null,
                rows.map((r) =>
                    h(
                        "tr",
                        null,
                        h("td", null, h("a", { href: `#/runs/${r.run}` }, day.get(r.run) ?? `run ${r.run}`)),
                        h("td", null, r.what),
                        h("td", null, r.text),
                    ),
                ),
            ),
        ),
    );
}

function resetForm(series: SeriesDetail, status: HTMLElement, reload: () => Promise<void>): Child {
    const runs = [...new Map(series.points.map((p) => [p.run, p.slot])).entries()].reverse();
    const select = h(
        "select",
        { id: "baseline" },
        runs.map(([run, slot]) => h("option", { value: String(run) }, `${slotDay(slot)} (run ${run})`)),
    );
    return h(
        "form",
        {
            class: "baseline-form",
            onsubmit: async (event: Event) => {
                event.preventDefault();
                try {
                    await post(`/series/${series.id}/baseline`, { run: Number(select.value) });
                    fill(status, h("p", { class: "quiet" }, "The history begins anew there."));
                    await reload();
                } catch (error) {
                    fill(status, problem(error, ""));
                }
            },
        },
        h("label", { for: "baseline" }, "Let its history begin anew with"),
        select,
        h("button", { type: "submit" }, "Reset the baseline"),
    );
}

const COLUMNS: Column<RunPoint>[] = [
    {
        key: "run",
        label: "night",
        value: (p) => p.run * 10 + p.rerun,
        cell: (p) => h("a", { href: `#/runs/${p.run}` }, `${slotDay(p.slot)}${p.rerun ? `, again ${p.rerun}` : ""}`),
    },
    {
        key: "state",
        label: "state",
        value: (p) => p.state,
        cell: (p) => (p.error_type ? `${p.state}: ${p.error_type}` : p.state),
    },
    { key: "ms", label: "latency", number: true, value: (p) => p.ms, cell: (p) => format.ms(p.ms) },
    {
        key: "ram",
        label: "RAM",
        number: true,
        value: (p) => p.arena_bytes,
        cell: (p) => format.exactBytes(p.arena_bytes),
    },
    {
        key: "flash",
        label: "flash",
        number: true,
        value: (p) => p.flash_bytes,
        cell: (p) => format.exactBytes(p.flash_bytes),
    },
    { key: "rig", label: "rig", value: (p) => p.rig ?? "", cell: (p) => p.rig ?? "–" },
    {
        key: "firmware",
        label: "firmware",
        value: (p) => p.firmware ?? "",
        cell: (p) => (p.firmware ? h("code", { title: p.firmware }, p.firmware.slice(0, 12)) : "–"),
    },
];
