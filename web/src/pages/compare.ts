// SPDX-License-Identifier: MIT
// Two nights side by side: how far the front of each model on each board moved, and both fronts laid over each other.
import { get, list } from "../api.ts";
import { Chart } from "../chart.ts";
import { fill, h, type Child } from "../dom.ts";
import * as format from "../format.ts";
import type { CompareCell, Comparison, Run } from "../nightly/api.ts";
import { frontsOption } from "../nightly/fronts_plot.ts";
import { signedPercent, slotDay, slotTime } from "../nightly/words.ts";
import { Table, type Column } from "../table.ts";

const MAX_RUNS = 200; // to choose from

const cellId = (c: CompareCell) => `${c.model} ${c.board}`;

const COLUMNS: Column<CompareCell>[] = [
    { key: "model", label: "model", value: (c) => c.model_name, cell: (c) => c.model_name },
    { key: "board", label: "board", value: (c) => c.board, cell: (c) => c.board },
    {
        key: "latency",
        label: "latency at equal RAM",
        number: true,
        value: (c) => c.latency_percent,
        cell: (c) => signedPercent(c.latency_percent),
    },
    {
        key: "ram",
        label: "RAM at equal latency",
        number: true,
        value: (c) => c.ram_percent,
        cell: (c) => signedPercent(c.ram_percent),
    },
    { key: "left", label: "left the front", number: true, value: (c) => c.left, cell: (c) => String(c.left) },
    { key: "entered", label: "entered", number: true, value: (c) => c.entered, cell: (c) => String(c.entered) },
    { key: "points", label: "points", number: true, value: (c) => c.after.length, cell: (c) => String(c.after.length) },
];

const CHANGES: Record<string, string> = {
    entered: "entered the front",
    slower: "got slower and left the front",
    larger: "needs more RAM and left the front",
    beaten: "is what it was; another one became better",
    missing: "is missing",
};

export async function comparePage(
    root: HTMLElement,
    signal: AbortSignal,
    before: number,
    after: number,
): Promise<void> {
    fill(root, h("p", { class: "quiet page-loading" }, "Loading…"));
    const both = await get<Comparison>(`/runs/${before}/compare/${after}`, signal);
    const runs = (await list<Run>(`/plans/${both.after.plan}/runs`, signal, MAX_RUNS)).filter((r) => r.state === "done");
    document.title = `Nights compared · msf-farm`;
    const chart = new Chart(signal, "fronts-plot");
    const title = h("h2", { id: "fronts-title" });
    const words = h("ul", { class: "front-changes" });
    const worst = (c: CompareCell) => c.latency_percent ?? -Infinity;
    const cells = [...both.cells].sort((a, b) => worst(b) - worst(a));
    const table = new Table<CompareCell>({
        caption: "Fronts",
        id: cellId,
        empty: "The two nights have nothing in common.",
        sort: { key: "latency", descending: true },
        onSelect: (cell) => show(cell),
        rowLabel: (c) => `${c.model_name} on ${c.board}`,
    });
    const show = (cell: CompareCell) => {
        table.select(cellId(cell));
        title.textContent = `${cell.model_name} on ${cell.board}`;
        chart.draw(
            `Fronts of ${cell.model_name} on ${cell.board}: before ${cell.before.length}, after ${cell.after.length} points`,
            (narrow) => frontsOption(cell, narrow),
        );
        fill(
            words,
            cell.changes.length
                ? cell.changes.map((c) => h("li", null, changeWords(cell, c)))
                : h("li", { class: "quiet" }, "The same configurations are on the front."),
        );
    };
    fill(
        root,
        h(
            "div",
            { class: "page-head" },
            h("p", { class: "crumb" }, h("a", { href: `#/nightly/${both.after.plan}` }, both.after.plan)),
            h("h1", null, "Two nights compared"),
            h(
                "div",
                { class: "compare-picks" },
                pick("before", runs, before, (id) => `#/runs/${id}/compare/${after}`),
                h("span", { "aria-hidden": "true" }, "→"),
                pick("after", runs, after, (id) => `#/runs/${before}/compare/${id}`),
            ),
            h(
                "p",
                { class: "facts" },
                h("span", null, `before: ${slotTime(both.before.slot)}`),
                h("span", null, `after: ${slotTime(both.after.slot)}`),
            ),
        ),
        h(
            "div",
            { class: "compare" },
            h("section", { class: "card table-card" }, h("h2", null, "Fronts"), table.element),
            h(
                "section",
                { class: "card plot-card", "aria-labelledby": "fronts-title" },
                title,
                h("p", { class: "hint" }, "hollow and dashed: before · filled and solid: after"),
                chart.element,
                words,
            ),
        ),
    );
    table.update(COLUMNS, cells);
    if (cells[0]) show(cells[0]);
    else chart.element.hidden = true;
}

function changeWords(cell: CompareCell, c: CompareCell["changes"][number]): Child {
    const by = c.beaten_by === null ? null : cell.after[c.beaten_by];
    const series = (c.after !== null ? cell.after[c.after] : c.before !== null ? cell.before[c.before] : null)?.series;
    return [
        series ? h("a", { href: `#/series/${series}` }, c.configuration) : c.configuration,
        ` ${CHANGES[c.change] ?? c.change}`,
        by && `; ${by.configuration} is there with ${format.kb(by.ram_bytes)}, ${format.ms(by.ms)}`,
    ];
}

function pick(name: string, runs: readonly Run[], id: number, to: (id: string) => string): HTMLElement {
    const known = runs.some((r) => r.id === id);
    const select = h(
        "select",
        {
            "aria-label": name,
            onchange: () => {
                location.hash = to(select.value);
            },
        },
        !known && h("option", { value: String(id), selected: true }, `run ${id}`),
        runs.map((r) =>
            h(
                "option",
                { value: String(r.id), selected: r.id === id },
                `${slotDay(r.slot)} · run ${r.id} · ${r.verdict ?? r.state}`,
            ),
        ),
    );
    return select;
}
