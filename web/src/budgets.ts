// SPDX-License-Identifier: MIT
// The two questions and their sliders: P1, least RAM at a bounded overhead; P2, least overhead in a bounded RAM.
import type { Measured } from "./api.ts";
import { fill, h, type Child } from "./dom.ts";
import * as format from "./format.ts";
import { leastWithin, logScale } from "./pareto.ts";
import { measuredName, ramOf, type Point } from "./points.ts";

const STEPS = 1000; // positions of the RAM slider

export class Budgets {
    readonly element: HTMLElement;
    readonly limits: { ram: number | null; overhead: number | null } = { ram: null, overhead: null };
    private readonly p1 = h("input", { type: "range", id: "p1", min: 100, max: 200, step: 1, value: 130 });
    private readonly p2 = h("input", { type: "range", id: "p2", min: 0, max: STEPS, step: 1, value: STEPS / 2 });
    private readonly p1Box = h("input", { type: "number", min: 1, step: 0.01, "aria-label": "Largest overhead F" });
    private readonly p2Box = h("input", { type: "number", min: 0, step: 0.1, "aria-label": "Largest RAM in kB" });
    private readonly p1Answer = h("div", { class: "answer", "aria-live": "polite", id: "p1-answer" });
    private readonly p2Answer = h("div", { class: "answer", "aria-live": "polite", id: "p2-answer" });
    private scale = logScale(1, 1, STEPS);
    private range = "";
    private drawn = "";
    private maxF: number | null = null;
    private maxRam: number | null = null;

    constructor(
        private readonly plainBytes: number,
        changed: () => void,
        private readonly show: (spec: string) => void,
    ) {
        const listen = (input: HTMLInputElement, event: string, take: (value: number) => void) =>
            input.addEventListener(event, () => {
                if (input.value !== "" && Number.isFinite(Number(input.value))) {
                    take(Number(input.value));
                    changed();
                }
            });
        listen(this.p1, "input", (v) => (this.maxF = v / 100));
        listen(this.p1Box, "change", (v) => (this.maxF = v));
        listen(this.p2, "input", (v) => (this.maxRam = this.scale.valueAt(v)));
        listen(this.p2Box, "change", (v) => (this.maxRam = v * 1000));
        this.element = h(
            "section",
            { class: "card budgets", "aria-label": "Budgets" },
            h("h2", null, "What fits?"),
            h(
                "div",
                { class: "budget" },
                h("label", { for: "p1" }, h("b", { class: "mark" }, "P1"), " Least RAM with overhead F at most"),
                this.p1Box,
                this.p1,
                this.p1Answer,
            ),
            h(
                "div",
                { class: "budget" },
                h("label", { for: "p2" }, h("b", { class: "mark" }, "P2"), " Least compute in RAM of at most, kB"),
                this.p2Box,
                this.p2,
                this.p2Answer,
            ),
        );
    }

    /** Sets the sliders to the points' range, answers both questions and returns the answers as marks of the plot. */
    update(points: readonly Point[], withInput: boolean, boards: readonly string[]): { label: string; spec: string }[] {
        const usable = points.filter((p) => p.overhead !== null);
        if (!usable.length) {
            fill(this.p1Answer, "–");
            fill(this.p2Answer, "–");
            return [];
        }
        const ram = (p: Point) => ramOf(p, withInput);
        const low = usable.reduce((least, p) => Math.min(least, ram(p)), Infinity);
        const high = usable.reduce((most, p) => Math.max(most, ram(p)), 0);
        const maxF = usable.reduce((f, p) => Math.max(f, p.overhead!), 1);
        const range = `${low} ${high} ${maxF}`;
        if (range !== this.range) {
            this.range = range;
            this.scale = logScale(low, high, STEPS);
            this.p1.max = String(Math.max(101, Math.ceil(maxF * 100)));
        }
        this.maxRam ??= Math.sqrt(low * high);
        this.maxF ??= format.roundTo(1 + (maxF - 1) / 2, 2);
        this.limits.ram = this.maxRam;
        this.limits.overhead = this.maxF;
        this.p1.value = String(Math.round(this.maxF * 100));
        this.p2.value = String(Math.round(this.scale.positionOf(this.maxRam)));
        this.p1.setAttribute("aria-valuetext", `F ${this.maxF.toFixed(2)}`);
        this.p2.setAttribute("aria-valuetext", format.kb(this.maxRam));
        if (document.activeElement !== this.p1Box) this.p1Box.value = this.maxF.toFixed(2);
        if (document.activeElement !== this.p2Box) this.p2Box.value = (this.maxRam / 1000).toFixed(1);

        // What the user reads must hold: the limit as shown, not the float behind it.
        const limitF = format.roundTo(this.maxF, 2) + 1e-9;
        const limitRam = format.roundTo(this.maxRam / 1000, 1) * 1000 + 1e-6;
        const p1 = leastWithin(usable, ram, (p) => p.overhead!, limitF);
        const p2 = leastWithin(usable, (p) => p.overhead!, ram, limitRam);
        const drawn = JSON.stringify([p1, p2, withInput, boards, [p1, p2].map((p) => p && [...p.predicted_ms])]);
        if (drawn !== this.drawn) {
            this.drawn = drawn;
            this.drawAnswer(this.p1Answer, p1, withInput, boards, "No configuration keeps F this low.");
            this.drawAnswer(this.p2Answer, p2, withInput, boards, `Nothing fits: the least is ${format.kb(low)}.`);
        }
        return [p1 && { label: "P1", spec: p1.spec }, p2 && { label: "P2", spec: p2.spec }].filter((m) => m !== null);
    }

    private drawAnswer(
        box: HTMLElement,
        p: Point | null,
        withInput: boolean,
        boards: readonly string[],
        none: string,
    ): void {
        if (!p) {
            fill(box, h("span", { class: "quiet" }, none));
            return;
        }
        const held = box.contains(document.activeElement);
        const times = boards.flatMap((board): Child[] => {
            const measured = p.measured.filter((m): m is Measured => m.board === board);
            if (measured.length)
                return measured.map((m) =>
                    h("li", null, h("b", null, format.ms(m.ms)), ` ${board}, ${measuredName(m.emulated)}`),
                );
            const predicted = p.predicted_ms.get(board);
            return predicted === undefined
                ? []
                : [h("li", null, h("b", null, format.ms(predicted)), ` ${board}, predicted`)];
        });
        const button = h(
            "button",
            { type: "button", class: "link", onclick: () => this.show(p.spec) },
            "Show its blocks",
        );
        fill(
            box,
            h("p", null, h("b", { class: "big" }, format.kb(ramOf(p, withInput))), ` at F ${p.overhead!.toFixed(3)}`),
            h("p", { class: "quiet" }, format.saving(p.arena_bytes, this.plainBytes)),
            h("ul", null, times),
            button,
        );
        if (held) button.focus({ preventScroll: true });
    }
}
