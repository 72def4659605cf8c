// SPDX-License-Identifier: MIT
// What somebody looks at in the morning: the plans, and of one of their runs the verdict, the heat grid and the triage
// list. `#/nightly/NAME` shows a plan's newest run, `#/runs/ID` a certain one.
import { asProblem, get, list, post, remove } from "../api.ts";
import { fill, h, type Child } from "../dom.ts";
import * as format from "../format.ts";
import type { Finding, Plan, Run, RunDetail } from "../nightly/api.ts";
import { heatGrid, type Pick } from "../nightly/grid.ts";
import { triageList } from "../nightly/triage.ts";
import { runLook, slotDay, slotTime, verdictLine } from "../nightly/words.ts";
import { fileLink, problem } from "../parts.ts";

const REFRESH_MS = 3000; // while a run is going on
const HISTORY = 90; // runs in the strip

export async function nightlyPage(root: HTMLElement, signal: AbortSignal, name: string): Promise<void> {
    fill(root, h("p", { class: "quiet page-loading" }, "Loading…"));
    const plans = await plansOf(signal);
    document.title = "Nightly · msf-farm";
    if (!plans.length) {
        fill(
            root,
            h("h1", null, "Nightly"),
            h("p", null, "This farm has no plans. Start farm-server with --plans DIR; docs/nightly.md says what a plan is."),
        );
        return;
    }
    const plan = plans.find((p) => p.name === name) ?? (name ? null : chosen(plans));
    if (!plan) {
        fill(root, h("h1", null, "No such plan"), h("p", null, h("a", { href: "#/nightly" }, "To the plans")));
        return;
    }
    await planPage(root, signal, plans, plan, null);
}

export async function runPage(root: HTMLElement, signal: AbortSignal, id: number): Promise<void> {
    fill(root, h("p", { class: "quiet page-loading" }, "Loading…"));
    const [run, plans] = await Promise.all([get<RunDetail>(`/runs/${id}`, signal), plansOf(signal)]);
    // A plan may have been taken away; its runs stay.
    const plan = plans.find((p) => p.name === run.plan) ?? {
        name: run.plan,
        valid: false,
        error: { field: null, detail: "the plan's file is gone" },
        title: null,
        schedule: null,
        next_slot: null,
        running: null,
        last_run: null,
    };
    await planPage(root, signal, plans, plan, run);
}

async function plansOf(signal: AbortSignal): Promise<Plan[]> {
    return (await get<{ items: Plan[] }>("/plans", signal)).items;
}

/** The plan that is shown when nobody has chosen: the one that ran last. */
function chosen(plans: readonly Plan[]): Plan {
    return [...plans].sort((a, b) => (b.last_run?.slot ?? "").localeCompare(a.last_run?.slot ?? ""))[0]!;
}

async function planPage(
    root: HTMLElement,
    signal: AbortSignal,
    plans: readonly Plan[],
    plan: Plan,
    wanted: RunDetail | null,
): Promise<void> {
    const runs = await list<Run>(`/plans/${plan.name}/runs`, signal, HISTORY).catch(() => [] as Run[]);
    const newest = runs.find((r) => r.state !== "skipped") ?? runs[0];
    const run = wanted ?? (newest ? await get<RunDetail>(`/runs/${newest.id}`, signal) : null);
    document.title = `${plan.name} · nightly · msf-farm`;
    const status = h("div", { class: "status", "aria-live": "polite" });
    const body = h("div", { class: "night" });
    const strip = h("div");
    const button = h("span", null, runButton(plan, run, signal, status));
    fill(
        root,
        h(
            "div",
            { class: "page-head" },
            h("p", { class: "crumb" }, planLinks(plans, plan)),
            h("h1", null, plan.title ?? plan.name),
            h(
                "p",
                { class: "facts" },
                plan.schedule
                    ? h("span", null, h("b", null, plan.schedule.cron), ` in ${plan.schedule.timezone}`)
                    : h("span", null, "runs by hand"),
                plan.next_slot && h("span", null, "next ", h("b", null, slotTime(plan.next_slot))),
                plan.owners?.length ? h("span", null, `owners: ${plan.owners.join(", ")}`) : null,
            ),
            !plan.valid &&
                plan.error &&
                h(
                    "p",
                    { class: "note" },
                    `This plan does not run${plan.error.field ? `: field “${plan.error.field}”` : ""}: ${plan.error.detail}`,
                ),
        ),
        h("div", { class: "progress-row" }, button, exports(plan, run)),
        status,
        strip,
        body,
    );
    const drawStrip = (history: readonly Run[]) => fill(strip, historyStrip(history, run?.id ?? null));
    drawStrip(runs);
    if (!run) {
        fill(body, h("p", { class: "card empty" }, "No night yet."));
        return;
    }
    await showRun(body, signal, run, runs);
    if (runLook(run) !== "live") return;
    let shown = JSON.stringify(run);
    const timer = setInterval(async () => {
        if (document.hidden) return;
        try {
            const now = await get<RunDetail>(`/runs/${run.id}`, signal);
            const text = JSON.stringify(now);
            if (text === shown) return;
            shown = text;
            await showRun(body, signal, now, runs);
            if (runLook(now) !== "live") {
                clearInterval(timer);
                fill(button, runButton({ ...plan, running: null }, now, signal, status));
                drawStrip(await list<Run>(`/plans/${plan.name}/runs`, signal, HISTORY));
            }
        } catch (error) {
            if (!signal.aborted) fill(status, problem(error, ""));
        }
    }, REFRESH_MS);
    signal.addEventListener("abort", () => clearInterval(timer));
}

function planLinks(plans: readonly Plan[], plan: Plan): Child {
    return h(
        "span",
        { class: "plan-links" },
        plans.map((p) =>
            h(
                "a",
                { href: `#/nightly/${p.name}`, "aria-current": p.name === plan.name ? "page" : null },
                h("i", { class: `dot dot-${p.running ? "live" : p.last_run ? runLook(p.last_run) : "none"}` }),
                p.name,
            ),
        ),
    );
}

function runButton(plan: Plan, run: Run | null, signal: AbortSignal, status: HTMLElement): Child {
    const act = async (work: () => Promise<string>) => {
        try {
            const hash = await work();
            if (signal.aborted) return;
            if (location.hash === hash) window.dispatchEvent(new HashChangeEvent("hashchange"));
            else location.hash = hash;
        } catch (error) {
            fill(status, problem(asProblem(error), ""));
        }
    };
    const live = plan.running ?? (run && runLook(run) === "live" ? run.id : null);
    if (live)
        return h(
            "button",
            {
                type: "button",
                onclick: () =>
                    act(async () => {
                        await remove(`/runs/${live}`);
                        return `#/runs/${live}`;
                    }),
            },
            "Cancel the run",
        );
    return (
        plan.valid &&
        h(
            "button",
            {
                type: "button",
                class: "primary",
                onclick: () => act(async () => `#/runs/${(await post<Run>(`/plans/${plan.name}/runs`, {})).id}`),
            },
            "Run now",
        )
    );
}

function exports(plan: Plan, run: Run | null): Child {
    return h(
        "span",
        { class: "export" },
        run && fileLink(`/runs/${run.id}/summary.md`, "summary"),
        run && fileLink(`/runs/${run.id}/points.csv`, "points", `run-${run.id}-points.csv`),
        run && fileLink(`/runs/${run.id}/findings.csv`, "findings", `run-${run.id}-findings.csv`),
        run && fileLink(`/runs/${run.id}/junit.xml`, "JUnit", `run-${run.id}.xml`),
        fileLink(`/plans/${plan.name}/points.csv`, "all nights", `${plan.name}-points.csv`),
        fileLink(`/plans/${plan.name}/badge.svg`, "badge"),
    );
}

/** One mark a run, oldest first: the look of the last weeks at a glance. */
function historyStrip(runs: readonly Run[], shown: number | null): Child {
    if (runs.length < 2) return null;
    return h(
        "nav",
        { class: "strip", "aria-label": "Runs" },
        [...runs].reverse().map((r) => {
            const words = `${slotDay(r.slot)}: ${r.state === "done" ? (r.verdict ?? "done") : r.state}`;
            return h(
                "a",
                {
                    href: `#/runs/${r.id}`,
                    class: `tick tick-${runLook(r)}`,
                    title: words,
                    "aria-label": words,
                    "aria-current": r.id === shown ? "true" : null,
                },
            );
        }),
    );
}

async function showRun(
    body: HTMLElement,
    signal: AbortSignal,
    run: RunDetail,
    runs: readonly Run[],
): Promise<void> {
    let findings = (await get<{ items: Finding[] }>(`/runs/${run.id}/findings`, signal)).items;
    let pick: Pick | null = null;
    const list_ = h("div");
    const line = h("p", { class: "verdict-line" });
    const verdict = h("section", { class: `card verdict verdict-${runLook(run)}`, "aria-label": "Verdict" });
    const heading = h("h2", { tabindex: -1 }, "Triage");
    const redraw = () => {
        line.textContent = verdictLine(run, findings);
        const mine = findings.filter(
            (f) => !pick || (f.board === pick.board && (f.model === null || f.model === pick.model)),
        );
        heading.textContent = pick ? `Triage: ${name(run, pick)}` : "Triage";
        fill(
            list_,
            triageList(
                mine,
                (changed) => {
                    const now = new Map(changed.map((f) => [f.id, f]));
                    findings = findings.map((f) => now.get(f.id) ?? f);
                    redraw();
                    heading.focus();
                },
                pick ? "Nothing to look at here." : "Nothing to look at.",
            ),
        );
    };
    const older = runs.filter((r) => r.state === "done" && r.slot < run.slot);
    fill(
        verdict,
        line,
        h(
            "p",
            { class: "facts" },
            h("span", null, slotTime(run.slot)),
            h("span", null, `run ${run.id}, ${run.trigger === "import" ? "imported: measured elsewhere" : run.trigger}`),
            h("span", null, `${format.count(run.points.done)} of ${format.count(run.points.all)} points measured`),
            run.points.infrastructure > 0 && h("span", null, `${run.points.infrastructure} lost to infrastructure`),
            run.points.not_run > 0 && h("span", null, `${run.points.not_run} not run`),
            older[0] && h("a", { href: `#/runs/${older[0].id}/compare/${run.id}` }, "compare with the night before"),
        ),
        run.note && h("p", { class: "quiet" }, run.note),
        run.detail && h("p", { class: "quiet run-detail" }, run.detail),
    );
    redraw();
    fill(
        body,
        verdict,
        run.grid.length > 0 &&
            h(
                "section",
                { class: "card", "aria-labelledby": "grid-title" },
                h("h2", { id: "grid-title" }, "Models and boards"),
                heatGrid(run.grid, (picked) => {
                    pick = picked;
                    redraw();
                }),
            ),
        h("section", { class: "card triage-card" }, heading, list_),
    );
}

function name(run: RunDetail, pick: Pick): string {
    const cell = run.grid.find((c) => c.model === pick.model && c.board === pick.board);
    return `${cell?.model_name ?? pick.model.slice(0, 8)} on ${pick.board}`;
}
