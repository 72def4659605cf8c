// SPDX-License-Identifier: MIT
// The triage list: what a run found, old and new value, since when, what changed, and what people say about it.
import { post } from "../api.ts";
import { fill, h, type Child } from "../dom.ts";
import { problem } from "../parts.ts";
import type { Finding } from "./api.ts";
import { kindWords, metricValue, reasonWords, signedPercent, slotDay, subject } from "./words.ts";

type Action = "acknowledge" | "expect" | "reopen" | "assign" | "note";

const OPEN = new Set(["suspected", "confirmed"]);
const RANK = ["confirmed", "suspected", "acknowledged", "unconfirmed", "expected", "resolved"];

/** Alarms before news, then by state, then by how much. */
export function triageOrder(a: Finding, b: Finding): number {
    return (
        Number(b.regression) - Number(a.regression) ||
        RANK.indexOf(a.state) - RANK.indexOf(b.state) ||
        Math.abs(b.percent ?? 0) - Math.abs(a.percent ?? 0) ||
        a.id - b.id
    );
}

const GROUP = 4; // findings that say the same of so many series are one entry

export function triageList(
    findings: readonly Finding[],
    onChange: (changed: readonly Finding[]) => void,
    empty = "Nothing to look at.",
): HTMLElement {
    if (!findings.length) return h("p", { class: "empty" }, empty);
    const groups = new Map<string, Finding[]>();
    for (const f of [...findings].sort(triageOrder)) {
        const key = [f.kind, f.board, f.state, f.first_run, f.reason].join(" ");
        groups.set(key, [...(groups.get(key) ?? []), f]);
    }
    return h(
        "ul",
        { class: "triage" },
        [...groups.values()].map((group) =>
            group.length < GROUP ? group.map((f) => item(f, onChange)) : groupItem(group, onChange),
        ),
    );
}

/** The same thing said of many series: one line, all of them behind it, and one answer for all. */
function groupItem(group: readonly Finding[], onChange: (changed: readonly Finding[]) => void): HTMLElement {
    const [f] = group as [Finding];
    const models = new Set(group.map((g) => g.model_name));
    const percents = group.map((g) => g.percent).filter((p) => p !== null);
    const range = percents.length
        ? `${signedPercent(Math.min(...percents))} to ${signedPercent(Math.max(...percents))}`
        : null;
    return h(
        "li",
        { class: `finding ${lookOf(f)}` },
        h(
            "div",
            { class: "finding-head" },
            h("span", { class: "finding-kind" }, kindWords(f.kind)),
            h(
                "span",
                { class: "finding-subject" },
                `${group.length} series of ${models.size === 1 ? [...models][0] : `${models.size} models`} on ${f.board}`,
            ),
            h("span", { class: `badge finding-${f.state}` }, f.state),
        ),
        h(
            "dl",
            { class: "finding-facts" },
            range && fact("new against old", range),
            fact("first bad", h("a", { href: `#/runs/${f.first_run}` }, `run ${f.first_run}, ${slotDay(f.first_slot)}`)),
            f.metric !== "none" && fact("changed", changedWords(f)),
            group.every((g) => g.owner === f.owner) && f.owner && fact("owner", f.owner),
            group.every((g) => g.note === f.note) && f.note && fact("note", f.note),
        ),
        reasonWords(f.reason) && h("p", { class: "quiet finding-reason" }, reasonWords(f.reason)),
        actions(group, onChange),
        h(
            "details",
            { class: "finding-all" },
            h("summary", null, `All ${group.length}`),
            h("ul", { class: "triage" }, group.map((g) => item(g, onChange))),
        ),
    );
}

const NEWS = new Set(["faster", "smaller"]);

/** Red for what got worse and is open, green for what got better, the rest (a rig, a lost point) in between. */
function lookOf(f: Finding): string {
    if (NEWS.has(f.kind)) return "news";
    if (!OPEN.has(f.state)) return "quieted";
    return f.regression ? "alarm" : "notice";
}

function changedWords(f: Finding): string {
    const what = [f.firmware_changed && "firmware", f.program_changed && "program", f.rig_changed && "rig"];
    return what.filter(Boolean).join(", ") || "nothing of firmware, program, rig";
}

function fact(name: string, value: Child): HTMLElement {
    return h("div", null, h("dt", null, name), h("dd", null, value));
}

function item(f: Finding, onChange: (changed: readonly Finding[]) => void): HTMLElement {
    return h(
        "li",
        { class: `finding ${lookOf(f)}`, id: `finding-${f.id}` },
        h(
            "div",
            { class: "finding-head" },
            h("span", { class: "finding-kind" }, kindWords(f.kind)),
            f.series === null
                ? h("span", { class: "finding-subject" }, subject(f))
                : h("a", { class: "finding-subject", href: `#/series/${f.series}` }, subject(f)),
            f.count > 1 && h("span", { class: "badge" }, `${f.count} series`),
            h("span", { class: `badge finding-${f.state}` }, f.state),
        ),
        h(
            "dl",
            { class: "finding-facts" },
            f.metric !== "none" &&
                f.was !== null &&
                f.is !== null &&
                fact(
                    "old → new",
                    `${metricValue(f.metric, f.was)} → ${metricValue(f.metric, f.is)} (${signedPercent(f.percent)})`,
                ),
            f.was === null && f.percent !== null && fact("by", signedPercent(f.percent)),
            f.noise !== null && f.noise > 0 && fact("noise", `${f.noise.toFixed(1)} ×`),
            fact("first bad", h("a", { href: `#/runs/${f.first_run}` }, `run ${f.first_run}, ${slotDay(f.first_slot)}`)),
            f.metric !== "none" && fact("changed", changedWords(f)),
            f.firmware && fact("build", h("code", { title: f.firmware }, f.firmware.slice(0, 12))),
            f.owner && fact("owner", f.owner),
            f.note && fact("note", f.note),
        ),
        reasonWords(f.reason) && h("p", { class: "quiet finding-reason" }, reasonWords(f.reason)),
        actions([f], onChange),
    );
}

function actions(group: readonly Finding[], onChange: (changed: readonly Finding[]) => void): HTMLElement {
    const [f] = group as [Finding];
    const owner = h("input", { type: "text", value: f.owner ?? "", maxlength: 60 });
    const note = h("input", { type: "text", value: f.note ?? "", maxlength: 399 });
    const status = h("div", { "aria-live": "polite" });
    const say = async (action: Action) => {
        const body: Record<string, string> = { action };
        if (owner.value.trim() !== (f.owner ?? "")) body.owner = owner.value.trim();
        if (note.value.trim() !== (f.note ?? "")) body.note = note.value.trim();
        if (action === "note" && body.note === undefined) action = body.action = "assign";
        try {
            const changed: Finding[] = [];
            for (const g of group) changed.push(await post<Finding>(`/findings/${g.id}`, body));
            onChange(changed);
        } catch (error) {
            fill(status, problem(error, ""));
        }
    };
    const button = (action: Action, text: string, title: string) =>
        h("button", { type: "button", title, onclick: () => void say(action) }, text);
    return h(
        "details",
        { class: "finding-actions" },
        h("summary", null, "Say something"),
        h(
            "div",
            { class: "finding-form" },
            h("label", null, "Owner", owner),
            h("label", { class: "finding-note" }, "Note", note),
            OPEN.has(f.state) && button("acknowledge", "Acknowledge", "Known: makes no night red until it gets worse"),
            (OPEN.has(f.state) || f.state === "acknowledged") &&
                f.series !== null &&
                button("expect", "As expected", "As it should be: the series begins anew here"),
            (f.state === "acknowledged" || f.state === "expected") &&
                button("reopen", "Reopen", "An alarm again"),
            button("note", "Save owner and note", "Changes nothing else"),
        ),
        status,
    );
}
