// SPDX-License-Identifier: MIT
// RAM over the run, drawn from the planner's timeline: a column for each block, as wide as its share of the time, in it
// what is in RAM from step to step, stacked. The stack reaches the peak where the configuration needs all its RAM.
import { h } from "./dom.ts";
import * as format from "./format.ts";
import type { Layer, Timeline, TimelineBlock } from "./api.ts";

/** Kinds of RAM from the bottom of the stack to its top, with the planner's names for what they are made of. */
export const PARTS: { kind: string; name: string; of: string[] }[] = [
    { kind: "live", name: "skips held for later", of: ["skipped", "kept"] },
    { kind: "rings", name: "rings, tiles and windows inside", of: ["ring", "tiles"] },
    { kind: "acc", name: "accumulators", of: ["accumulators"] },
    { kind: "rest", name: "scratch and alignment", of: ["scratch", "alignment"] },
    { kind: "io", name: "output, written so far", of: [] },
    { kind: "input", name: "input, still needed", of: [] },
];

/** Bytes of each of PARTS at a moment. */
export function stack(block: TimelineBlock, moment: TimelineBlock["moments"][number]): number[] {
    return PARTS.map((part) => {
        if (part.kind === "io") return moment.output_bytes;
        if (part.kind === "input") return moment.input_bytes;
        const inside = part.kind === "rings" ? moment.inner_bytes : 0;
        return block.parts.filter((p) => part.of.includes(p.kind)).reduce((n, p) => n + p.bytes, inside);
    });
}

/** share: each block's part of the time, together 1. show: told which block was chosen. */
export function drawTimeline(
    timeline: Timeline,
    layers: Layer[],
    share: number[],
    measured: boolean,
    show: (block: number) => void,
): HTMLElement {
    const peak = timeline.peak;
    const layer = layers.find((l) => l.i === peak.layer);
    return h(
        "div",
        { class: "timeline-box" },
        h("h3", null, "What is in RAM when"),
        h(
            "div",
            { class: "timeline" },
            h(
                "span",
                { class: "timeline-peak" },
                `peak ${format.exactBytes(peak.bytes)}, set by layer ${peak.layer}`,
                layer ? ` (${layer.op} ${layer.kernel.join("×")})` : "",
                ` in block ${peak.block + 1}`,
            ),
            h(
                "div",
                { class: "timeline-bars" },
                timeline.blocks.map((b, i) => drawColumn(b, i, timeline.arena_bytes, share[i]!, i === peak.block, show)),
            ),
            h(
                "span",
                { class: "timeline-axis" },
                measured
                    ? "time, by measured cycles of each block →"
                    : "time, by multiply-accumulates of each block →",
            ),
        ),
        h(
            "p",
            { class: "ram-legend" },
            PARTS.map((p) => h("span", null, h("i", { class: `part ${p.kind}` }), p.name)),
        ),
    );
}

function drawColumn(
    block: TimelineBlock,
    index: number,
    arena: number,
    share: number,
    isPeak: boolean,
    show: (block: number) => void,
): HTMLElement {
    const range = block.first === block.last ? `layer ${block.first}` : `layers ${block.first}–${block.last}`;
    const at = block.moments[block.peak]!;
    const words = stack(block, at)
        .map((bytes, k) => ({ bytes, name: PARTS[k]!.name }))
        .filter((p) => p.bytes > 0)
        .map((p) => `${p.name}: ${format.exactBytes(p.bytes)}`);
    return h(
        "a",
        {
            class: isPeak ? "peak" : null,
            href: `#block-${index + 1}`,
            title: `Block ${index + 1}, ${range}, ${block.schedule}: ${format.exactBytes(block.arena_bytes)}, ${(share * 100).toFixed(1)} % of the time\n${words.join("\n")}`,
            css: { "flex-grow": String(Math.max(share, 0.004)) },
            onclick: (event: Event) => {
                // The address belongs to the page's own routes: scroll without touching it.
                event.preventDefault();
                show(index);
            },
        },
        drawStack(block, arena),
        h("span", { class: "hidden" }, `Block ${index + 1}`),
    );
}

const SVG = "http://www.w3.org/2000/svg";

/** One area for each part, in a box of steps × bytes that is stretched to its column. */
function drawStack(block: TimelineBlock, arena: number): SVGSVGElement {
    const svg = document.createElementNS(SVG, "svg");
    const steps = Math.max(1, block.steps);
    svg.setAttribute("viewBox", `0 0 ${steps} ${arena}`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    const stacks = block.moments.map((m) => stack(block, m));
    // A moment lasts until the next; the first and the last may have no length, but are seen all the same.
    const begin = block.moments.map((m, i) => (i === 0 ? 0 : m.step));
    const end = begin.map((_, i) => begin[i + 1] ?? steps);
    const floor = block.moments.map(() => 0);
    PARTS.forEach((part, k) => {
        const top = floor.map((y, i) => y + stacks[i]![k]!);
        if (top.some((y, i) => y > floor[i]!)) {
            const up = top.flatMap((y, i) => [`${begin[i]},${arena - y}`, `${end[i]},${arena - y}`]);
            const down = floor.flatMap((y, i) => [`${begin[i]},${arena - y}`, `${end[i]},${arena - y}`]).reverse();
            const area = document.createElementNS(SVG, "polygon");
            area.setAttribute("class", `area ${part.kind}`);
            area.setAttribute("points", [...up, ...down].join(" "));
            svg.append(area);
        }
        top.forEach((y, i) => (floor[i] = y));
    });
    return svg;
}
