// SPDX-License-Identifier: MIT
// The blocks of a configuration one by one, with what their RAM consists of, their layers, and what each layer took on a
// board.
import { h, type Child } from "./dom.ts";
import * as format from "./format.ts";
import type { BlockInfo, Layer, Profile, TimelineBlock } from "./api.ts";

const SCHEDULES: Record<string, string> = {
    plain: "layer by layer, whole tensors",
    rows: "slides down row by row, nothing computed twice",
    cols: "bands of rows, each swept column by column; rows between bands are computed again",
    patch: "n by n patches of the output, each by itself, layer after layer; what patches share is computed again",
    groups: "so many expanded channels at a time, in bands of output rows; rows between bands are computed again",
    cells: "cut into cells that call each other for rows, each with a schedule of its own",
};

/** A result whose profile is shown, and the blocks of the timeline with the MACs of each layer in them. */
export interface Measured {
    board: string;
    clock_hz: number;
    profile: Profile;
    blocks: TimelineBlock[];
}

export function drawBlocks(
    blocks: BlockInfo[],
    layers: Layer[],
    blockCycles: number[] | null,
    measured: Measured | null,
): HTMLElement {
    const peak = Math.max(...blocks.map((b) => b.arena_bytes));
    const share = shares(blocks, blockCycles);
    return h(
        "div",
        { class: "blocks" },
        h("h3", null, format.plural(blocks.length, "block")),
        legend(),
        drawList(
            blocks,
            (i) => drawBlock(blocks[i]!, i, layers, peak, share[i]!, blockCycles?.[i] ?? null, measured),
            peak,
            share,
            blockCycles ? "of cycles" : "of MACs",
        ),
        measured && interpreterLine(measured),
    );
}

function interpreterLine(m: Measured): HTMLElement {
    const all = m.profile.layers.reduce((n, l) => n + Number(l.cycles), Number(m.profile.interpreter.cycles));
    const own = Number(m.profile.interpreter.cycles);
    return h(
        "p",
        { class: "quiet" },
        `Between the kernels, the interpreter takes ${format.count(own)} cycles, ${((own / all) * 100).toFixed(1)} % on ${m.board}.`,
    );
}

export function showBlock(index: number): void {
    const target = document.getElementById(`block-${index + 1}`);
    target?.closest<HTMLDetailsElement>("details.group")?.setAttribute("open", "");
    target?.scrollIntoView({ block: "center" });
    target?.querySelector("summary")?.focus();
}

/** The blocks in order; a run of three or more plain ones below the peak folds into one line. */
function drawList(
    blocks: BlockInfo[],
    drawOne: (index: number) => HTMLElement,
    peak: number,
    share: number[],
    unit: string,
): HTMLElement {
    const foldable = (i: number) => blocks[i]?.schedule === "plain" && blocks[i]!.arena_bytes < peak;
    const items: HTMLElement[] = [];
    for (let i = 0; i < blocks.length;) {
        let end = i;
        while (foldable(end)) end++;
        if (end - i < 3) {
            items.push(drawOne(i++));
            continue;
        }
        const run = blocks.slice(i, end);
        const most = Math.max(...run.map((b) => b.arena_bytes));
        const part = share.slice(i, end).reduce((a, b) => a + b, 0);
        items.push(
            h(
                "li",
                null,
                h(
                    "details",
                    { class: "group" },
                    h(
                        "summary",
                        null,
                        h(
                            "span",
                            { class: "block-title" },
                            h("b", null, `Layers ${run[0]!.first}–${run.at(-1)!.last}`),
                            h("span", { class: "schedule plain", title: SCHEDULES.plain }, "plain"),
                        ),
                        h("span", { class: "quiet" }, `${run.length} blocks, layer by layer`),
                        ramCell(
                            [h("i", { class: "part rest", css: { width: `${(most / peak) * 100}%` } })],
                            "the largest of these blocks",
                            `≤ ${format.kb(most)}`,
                            `${(part * 100).toFixed(1)} % ${unit}`,
                        ),
                    ),
                    h(
                        "ol",
                        { class: "block-list" },
                        run.map((_, k) => drawOne(i + k)),
                    ),
                ),
            ),
        );
        i = end;
    }
    return h("ol", { class: "block-list" }, items);
}

function ramCell(bar: Child, title: string, ram: string, share: string): HTMLElement {
    return h(
        "span",
        { class: "ram" },
        h("span", { class: "ram-bar", title }, bar),
        h("span", { class: "ram-text" }, ram),
        h("span", { class: "ram-share" }, share),
    );
}

export function shares(blocks: BlockInfo[], cycles: number[] | null): number[] {
    const cost = blocks.map((b, i) => (cycles ? (cycles[i] ?? 0) : Number(b.macs)));
    const total = cost.reduce((a, b) => a + b, 0);
    return cost.map((c) => (total > 0 ? c / total : 1 / blocks.length));
}

function range(b: BlockInfo): string {
    return b.first === b.last ? String(b.first) : `${b.first}–${b.last}`;
}

/** What a block's RAM is made of; the parts add up to arena_bytes. */
function parts(b: BlockInfo): { kind: string; name: string; bytes: number }[] {
    const rings = b.rings.reduce((n, r) => n + r.bytes, 0);
    const known = [
        { kind: "io", name: "input and output", bytes: b.io_bytes },
        { kind: "rings", name: "rings", bytes: rings },
        { kind: "acc", name: "accumulators", bytes: b.accumulator_bytes },
        { kind: "live", name: "skips held for later", bytes: b.live_bytes },
    ];
    const rest = b.arena_bytes - known.reduce((n, p) => n + p.bytes, 0);
    if (rest > 0) known.push({ kind: "rest", name: "scratch and alignment", bytes: rest });
    return known.filter((p) => p.bytes > 0);
}

function legend(): HTMLElement {
    const names: [string, string][] = [
        ["io", "input and output"],
        ["rings", "rings"],
        ["acc", "accumulators"],
        ["live", "skips held for later"],
        ["rest", "scratch and alignment"],
    ];
    return h(
        "p",
        { class: "ram-legend" },
        names.map(([kind, name]) => h("span", null, h("i", { class: `part ${kind}` }), name)),
    );
}

function drawBlock(
    b: BlockInfo,
    index: number,
    layers: Layer[],
    peak: number,
    share: number,
    cycles: number | null,
    measured: Measured | null,
): HTMLElement {
    const isPeak = b.arena_bytes === peak;
    const mine = layers.filter((l) => l.i >= b.first && l.i <= b.last);
    const kind = /^[a-z]*/.exec(b.schedule)![0];
    const ring = new Map(b.rings.map((r) => [r.layer, r]));
    const split = parts(b);
    return h(
        "li",
        { id: `block-${index + 1}`, class: isPeak ? "peak" : null },
        h(
            "details",
            null,
            h(
                "summary",
                null,
                h(
                    "span",
                    { class: "block-title" },
                    h("b", null, `${b.first === b.last ? "Layer" : "Layers"} ${range(b)}`),
                    h("span", { class: `schedule ${kind === "plain" ? kind : "fused"}`, title: SCHEDULES[kind] ?? "" }, b.schedule),
                    isPeak && h("span", { class: "badge peak-badge" }, "sets the peak"),
                ),
                h(
                    "span",
                    { class: "chips" },
                    mine.map((l) =>
                        h("i", { class: `chip ${l.op}`, title: `${l.i} ${l.op} ${shape(l.out)}` }, chipText(l)),
                    ),
                ),
                ramCell(
                    split.map((p) => h("i", { class: `part ${p.kind}`, css: { width: `${(p.bytes / peak) * 100}%` } })),
                    split.map((p) => `${p.name}: ${format.exactBytes(p.bytes)}`).join("\n"),
                    format.kb(b.arena_bytes),
                    `${(share * 100).toFixed(1)} % ${cycles === null ? "of MACs" : "of cycles"}`,
                ),
            ),
            h(
                "div",
                { class: "block-more" },
                h(
                    "p",
                    null,
                    split.map((p) => `${p.name} ${format.exactBytes(p.bytes)}`).join(" + "),
                    ` = ${format.exactBytes(b.arena_bytes)}`,
                    ` · ${format.count(b.macs)} MACs`,
                    cycles !== null && ` · ${format.count(cycles)} cycles measured`,
                ),
                h("div", { class: "scroll" }, layerTable(mine, ring, measured, measured?.blocks[index] ?? null)),
            ),
        ),
    );
}

function layerTable(
    layers: Layer[],
    ring: Map<number, { slices: number; bytes: number }>,
    measured: Measured | null,
    block: TimelineBlock | null,
): HTMLElement {
    const head = ["layer", "operator", "input", "output", "kernel", "stride", "MACs", "ring"];
    if (measured) head.push("ms", "cycles", "share", "instructions a MAC");
    const row = (cells: Child[]) =>
        h(
            "tr",
            null,
            cells.map((c) => h("td", null, c)),
        );
    return h(
        "table",
        { class: "layers" },
        h(
            "thead",
            null,
            h(
                "tr",
                null,
                head.map((t) => h("th", { scope: "col" }, t)),
            ),
        ),
        h(
            "tbody",
            null,
            layers.map((l) => {
                const r = ring.get(l.i);
                return row([
                    l.i,
                    l.op,
                    shape(l.in),
                    shape(l.out),
                    l.kernel.join("×"),
                    l.stride.join("×"),
                    format.count(l.macs),
                    r ? `${r.slices} slices, ${format.exactBytes(r.bytes)}` : "–",
                    ...(measured ? measuredCells(l.i, measured, block) : []),
                ]);
            }),
        ),
    );
}

function measuredCells(layer: number, measured: Measured, block: TimelineBlock | null): Child[] {
    const mine = measured.profile.layers.filter((l) => l.layer === layer);
    const all = measured.profile.layers.reduce(
        (n, l) => n + Number(l.cycles),
        Number(measured.profile.interpreter.cycles),
    );
    const cycles = mine.reduce((n, l) => n + Number(l.cycles), 0);
    const instructions = mine.reduce((n, l) => n + Number(l.instructions ?? NaN), 0);
    const macs = Number(block?.layer_macs.find((m) => m.layer === layer)?.macs ?? 0);
    return [
        format.ms((cycles / measured.clock_hz) * 1000),
        format.count(cycles),
        `${((cycles / all) * 100).toFixed(1)} %`,
        macs > 0 && Number.isFinite(instructions) ? (instructions / macs).toFixed(2) : "–",
    ];
}

function shape(dims: number[]): string {
    return dims.join("×");
}

function chipText(l: Layer): string {
    const k = l.kernel[0] ?? 1;
    switch (l.op) {
        case "conv":
            return k > 1 ? `${k}×${l.kernel[1] ?? k}` : "1×1";
        case "dwconv":
            return `dw${k}`;
        case "add":
            return "+";
        case "mean":
            return "mean";
        case "avgpool":
            return "avg";
        case "maxpool":
            return "max";
        default:
            return l.op;
    }
}
