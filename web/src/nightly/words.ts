// SPDX-License-Identifier: MIT
// What the nightly pages say: verdicts, kinds of findings, values. Pure.
import * as format from "../format.ts";
import type { Finding, GridCell, Look, Run } from "./api.ts";

/** A look has a sign and words of its own, so that colour is never all there is. The worst first. */
export const LOOKS: Record<Look, { sign: string; words: string }> = {
    regression: { sign: "▲", words: "regression" },
    suspect: { sign: "?", words: "suspected" },
    running: { sign: "…", words: "running" },
    failed: { sign: "✕", words: "failed" },
    infrastructure: { sign: "⌁", words: "lost to infrastructure" },
    "not-run": { sign: "–", words: "not run" },
    "no-fit": { sign: "∅", words: "does not fit" },
    improved: { sign: "▼", words: "improved" },
    known: { sign: "●", words: "known" },
    pass: { sign: "✓", words: "pass" },
};

/** What a cell of the grid has to say beyond its sign. */
export function cellWords(cell: GridCell): string {
    const parts = [
        cell.regressions && format.plural(cell.regressions, "regression"),
        cell.suspects && `${cell.suspects} suspected`,
        cell.failed && `${cell.failed} failed`,
        cell.infrastructure && `${cell.infrastructure} lost to infrastructure`,
        cell.not_run && `${cell.not_run} not run`,
        cell.open && `${cell.open} to come`,
        cell.improvements && `${cell.improvements} better`,
        cell.known && `${cell.known} known`,
        cell.no_fit && `${cell.no_fit} too large`,
    ].filter(Boolean);
    return `${cell.done} of ${cell.points} measured${parts.length ? `: ${parts.join(", ")}` : ""}`;
}

const KINDS: Record<string, string> = {
    "output-mismatch": "wrong output",
    failed: "fails",
    "ram-growth": "more RAM",
    "flash-growth": "more flash",
    slower: "slower",
    determinism: "not repeatable",
    drift: "slow drift",
    "front-left": "left the front",
    "front-moved": "front moved",
    "rig-suspect": "rig suspect",
    infrastructure: "infrastructure",
    missing: "missing",
    faster: "faster",
    smaller: "less RAM",
};

export function kindWords(kind: string): string {
    return KINDS[kind] ?? kind;
}

const REASONS: Record<string, string> = {
    code: "the firmware or program changed",
    "same-hashes": "same firmware and program: the rig changed, not the code",
    "rig-moved": "everything on this rig moved together",
    "rig-replaced": "another rig than before",
    "rig-noisy": "this rig became noisy",
};

export function reasonWords(reason: string): string | null {
    return REASONS[reason] ?? null;
}

/** A value of a finding, by what it measures. */
export function metricValue(metric: string, value: number | null): string {
    if (value === null) return "–";
    if (metric.endsWith("_bytes")) return format.exactBytes(value);
    if (metric === "cycles" || metric === "instructions") return `${format.short(value)} ${metric}`;
    return format.count(format.roundTo(value, 3));
}

export function signedPercent(percent: number | null, digits = 2): string {
    if (percent === null) return "–";
    const text = Math.abs(percent).toFixed(digits);
    return Number(text) === 0 ? "±0 %" : `${percent < 0 ? "−" : "+"}${text} %`;
}

/** What a finding is about: "net on hifive1b, pareto least-ram". */
export function subject(f: Finding): string {
    if (f.kind === "rig-suspect" && f.rig) return `${f.rig} (${f.board})`;
    return [`${f.model_name ?? "all models"} on ${f.board}`, f.configuration].filter(Boolean).join(", ");
}

const STATE_WORDS: Record<Run["state"], string> = {
    planning: "is being planned",
    running: "is running",
    confirming: "is measuring again what looks slower",
    done: "",
    skipped: "was skipped",
    failed: "could not be planned",
    cancelled: "was cancelled",
};

/** Which class of look a run has, for its mark in the history. */
export function runLook(run: Run): "good" | "bad" | "warn" | "live" | "none" {
    if (run.state === "planning" || run.state === "running" || run.state === "confirming") return "live";
    if (run.state !== "done") return "none";
    if (run.verdict === "regression") return "bad";
    return run.verdict === "ok" || run.verdict === "improved" ? "good" : "warn";
}

function boardWords(boards: ReadonlySet<string>): string {
    if (boards.size > 3) return ` on ${boards.size} boards`;
    return boards.size ? ` on ${[...boards].sort().join(", ")}` : "";
}

/** The line that somebody reads in the morning. `alarms` are the open findings of the run. */
export function verdictLine(run: Run, alarms: readonly Finding[]): string {
    if (run.state !== "done") return `This run ${STATE_WORDS[run.state]}.`;
    const { points } = run;
    const worst = alarms.filter((f) => f.regression && (f.state === "confirmed" || f.state === "suspected"));
    const boards = new Set(worst.map((f) => f.board));
    switch (run.verdict) {
        case "regression":
            return `${format.plural(run.regressions, "regression")}${boardWords(boards)}.`;
        case "suspected":
            return "Something looks worse, and could not be confirmed.";
        case "rig":
            return "No code got worse, but a rig is suspect.";
        case "incomplete":
            return `Nothing got worse in what was measured: ${points.done} of ${points.all} points.`;
        case "improved":
            return `Better than before, and nothing worse: ${format.plural(points.done, "point")}.`;
        default:
            return `All is well: ${format.plural(points.done, "point")} as before.`;
    }
}

/** "Thu, 25 Jun 2026, 20:26 UTC" */
export function slotTime(time: string): string {
    const date = new Date(time);
    if (Number.isNaN(date.getTime())) return time;
    const words = date.toLocaleDateString("en-GB", {
        weekday: "short",
        day: "numeric",
        month: "short",
        year: "numeric",
        timeZone: "UTC",
    });
    return `${words}, ${date.toISOString().slice(11, 16)} UTC`;
}

export function slotDay(time: string): string {
    return time.slice(0, 10);
}
