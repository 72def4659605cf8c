// SPDX-License-Identifier: MIT
// A campaign as it runs: jobs and the plot fill in by server-sent events; failures say what went wrong and where the
// log is.
import {
    cancelCampaign,
    get,
    list,
    logPath,
    watchCampaign,
    type Board,
    type Campaign,
    type Front,
    type Job,
    type Model,
    type Rig,
} from "../api.ts";
import { fill, h, onceAFrame, type Child } from "../dom.ts";
import { Explorer } from "../explorer.ts";
import { Fronts } from "../fronts.ts";
import * as format from "../format.ts";
import { campaignName, campaignProgress, emulatedBadge, fileLink, problem, stateBadge } from "../parts.ts";
import { PointSet } from "../points.ts";
import { describeSpec } from "../spec.ts";
import { PARETO, strategyNames } from "../strategies.ts";
import { Table, type Column } from "../table.ts";

const RIGS_MS = 10000;

export async function campaignPage(root: HTMLElement, signal: AbortSignal, id: number): Promise<void> {
    fill(root, h("p", { class: "quiet page-loading" }, "Loading…"));
    let campaign = await get<Campaign>(`/campaigns/${id}`, signal);
    const [model, boards, jobList, front] = await Promise.all([
        get<Model>(`/models/${campaign.model}`, signal),
        get<Board[]>("/boards", signal),
        list<Job>(`/campaigns/${id}/jobs`, signal),
        get<Front>(`/campaigns/${id}/front`, signal),
    ]);
    document.title = `${campaignName(campaign)} · msf-farm`;

    const points = new PointSet();
    points.addFront(null, front.points);
    const jobs = new Map(jobList.map((j) => [j.id, j]));
    for (const job of jobList) takeJob(points, job);

    const explorer = new Explorer(
        model,
        boards.filter((b) => campaign.boards.includes(b.id)),
        campaign.boards,
        points,
        signal,
        null,
    );
    const progress = h("div", { class: "campaign-progress" });
    const waiting = h("div", { class: "waiting" });
    const failures = h("div", { class: "failures" });
    const live = h("span", { class: "live", role: "status" });
    const table = new Table<Job>({
        caption: "Jobs",
        id: (j) => String(j.id),
        empty: "No jobs.",
        sort: { key: "id", descending: false },
        onSelect: (j) => {
            table.select(String(j.id));
            explorer.select(j.spec, true);
        },
        rowLabel: (j) => `Job ${j.id}, show its blocks`,
    });
    let connected = false;
    let rigs: Rig[] | null = null;
    const draw = onceAFrame(() => {
        if (signal.aborted) return;
        fill(live, campaign.state === "done" ? "" : connected ? "live" : "connecting…");
        fill(progress, stateBadge(campaign.state), campaignProgress(campaign));
        fill(waiting, drawOmitted(campaign), rigs && drawWaiting([...jobs.values()], rigs));
        fill(failures, drawFailures([...jobs.values()]));
        table.update(jobColumns(campaign), [...jobs.values()]);
        cancel.hidden = campaign.jobs.queued === 0;
        explorer.update();
    });
    const notice = h("div");
    const readRigs = async () => {
        if (document.hidden || campaign.jobs.queued === 0) return;
        rigs = await get<Rig[]>("/rigs", signal).catch(() => rigs); // only a hint depends on it
        draw();
    };
    const timer = setInterval(() => void readRigs(), RIGS_MS);
    signal.addEventListener("abort", () => clearInterval(timer));
    void readRigs();
    const cancel = h(
        "button",
        {
            type: "button",
            class: "button",
            onclick: async () => {
                if (
                    !confirm(
                        `Cancel the ${format.plural(campaign.jobs.queued, "queued job")}? Finished measurements stay.`,
                    )
                )
                    return;
                try {
                    await cancelCampaign(id);
                    fill(notice);
                } catch (error) {
                    fill(notice, problem(error, "Not cancelled"));
                }
            },
        },
        "Cancel queued jobs",
    );

    fill(
        root,
        h(
            "div",
            { class: "page-head" },
            h("p", { class: "crumb" }, h("a", { href: `#/models/${model.id}` }, model.name || "model"), " /"),
            h("h1", null, campaignName(campaign)),
            h(
                "p",
                { class: "facts" },
                h("span", null, "on ", h("b", null, campaign.boards.join(", "))),
                h("span", null, h("b", null, format.count(campaign.repeats)), " repeats"),
                campaign.strategies?.length ? h("span", null, strategyNames(campaign.strategies)) : null,
                h("span", null, `input ${campaign.input.kind}, seed ${campaign.input.seed}`),
                h("span", { title: campaign.created }, `started ${format.ago(campaign.created, Date.now())}`),
                live,
            ),
        ),
        h(
            "section",
            { class: "card" },
            h("div", { class: "progress-row" }, progress, cancel),
            notice,
            waiting,
            failures,
        ),
        explorer.element,
        h("section", { class: "card" }, h("h2", null, "Jobs"), table.element),
    );
    draw();
    // Without it the plot only shows fewer hollow points: the jobs carry their own predictions.
    const fronts = new Fronts(campaign.model, points, signal, draw, () => {});
    for (const board of campaign.boards) void fronts.byMacs(board);
    explorer.onShown = (now, height) =>
        now.forEach((board) => height === "predicted" && void fronts.byLatency(board));

    const watching = watchCampaign(id, signal, {
        connected: (yes) => {
            connected = yes;
            draw();
        },
        campaign: (now) => {
            campaign = now;
            draw();
        },
        job: (job) => {
            jobs.set(job.id, job);
            takeJob(points, job);
            draw();
        },
    });
    watching.catch((error: unknown) => fill(notice, problem(error, "No live progress")));
}

/** What a job tells about its configuration: the prediction for its board, and the measurement once it is done. */
function takeJob(points: PointSet, job: Job): void {
    const p = job.predicted;
    const known = points.get(job.spec);
    if (p && (!known || known.macs === null)) {
        points.addConfig({
            spec: job.spec,
            arena_bytes: p.arena_bytes,
            macs: p.macs,
            overhead: p.overhead,
            blocks: job.spec.split(" ").length,
            input_streamed: false,
            input_bytes: 0,
            predicted_ms: p.ms,
        });
    }
    points.addStrategies(job.spec, job.strategies ?? []);
    if (p && p.ms !== null) points.addPrediction(job.spec, job.board, p.ms);
    if (job.state === "done" && job.result) points.addResult(job.result);
}

/** Strategies that have nothing small enough for a board. */
function drawOmitted(campaign: Campaign): Child {
    return (campaign.omitted ?? []).map((o) =>
        h(
            "p",
            { class: "note" },
            `Nothing of ${o.strategy} fits ${o.board}: its smallest configuration needs ${format.exactBytes(o.arena_bytes)}.`,
        ),
    );
}

/** Says which queued jobs nobody will take as things are. */
function drawWaiting(jobs: Job[], rigs: Rig[]): Child {
    const boards = [...new Set(jobs.filter((j) => j.state === "queued").map((j) => j.board))];
    return boards.map((board) => {
        const mine = rigs.filter((r) => r.board === board);
        if (mine.some((r) => r.state === "idle" || r.state === "busy")) return null;
        const why = mine.length ? mine.map((r) => `${r.name} is ${r.state}`).join(", ") : "none is connected";
        const n = jobs.filter((j) => j.state === "queued" && j.board === board).length;
        return h(
            "p",
            { class: "note" },
            `${format.plural(n, "job")} ${n === 1 ? "waits" : "wait"} for a rig of ${board}: ${why}.`,
        );
    });
}

function drawFailures(jobs: Job[]): Child {
    const failed = jobs.filter((j) => j.state === "failed");
    if (!failed.length) return null;
    const byType = new Map<string, Job[]>();
    for (const job of failed) {
        const type = job.error?.type ?? "unknown";
        byType.set(type, [...(byType.get(type) ?? []), job]);
    }
    return [...byType].map(([type, list]) =>
        h(
            "div",
            { class: "problem" },
            h(
                "strong",
                null,
                type === "cancelled"
                    ? `${format.plural(list.length, "job")} cancelled`
                    : `${format.plural(list.length, "job")} failed: ${type}`,
            ),
            h(
                "ul",
                null,
                list
                    .slice(0, 5)
                    .map((j) =>
                        h(
                            "li",
                            null,
                            fileLink(logPath(j.id), `job ${j.id} log`),
                            ` ${j.board}${j.rig ? ` on ${j.rig}` : ""}: ${j.error?.detail ?? "no reason given"}`,
                        ),
                    ),
            ),
            list.length > 5 ? h("p", null, `and ${list.length - 5} more in the table below`) : null,
        ),
    );
}

function jobColumns(campaign: Campaign): Column<Job>[] {
    const order = { leased: 0, queued: 1, failed: 2, done: 3 };
    const compared = campaign.strategies?.some((s) => s !== PARETO);
    const strategy: Column<Job> = {
        key: "strategy",
        label: "Strategy",
        value: (j) => strategyNames(j.strategies),
        cell: (j) => strategyNames(j.strategies),
    };
    return [
        { key: "id", label: "Job", number: true, value: (j) => j.id, cell: (j) => j.id },
        { key: "board", label: "Board", value: (j) => j.board, cell: (j) => j.board },
        {
            key: "state",
            label: "State",
            value: (j) => order[j.state] * 10 + j.progress,
            cell: (j) => [
                stateBadge(j.error?.type === "cancelled" ? "cancelled" : j.state),
                j.state === "leased" ? ` ${j.phase ?? ""} ${Math.round(j.progress * 100)} %` : null,
            ],
        },
        {
            key: "ram",
            label: "RAM, B",
            number: true,
            value: (j) => j.result?.arena_bytes ?? j.predicted?.arena_bytes ?? null,
            cell: (j) => format.count(j.result?.arena_bytes ?? j.predicted?.arena_bytes),
        },
        {
            key: "predicted",
            label: "Predicted",
            number: true,
            value: (j) => j.predicted?.ms ?? null,
            cell: (j) => format.ms(j.predicted?.ms),
        },
        {
            key: "ms",
            label: "Measured",
            number: true,
            value: (j) => j.result?.ms ?? null,
            cell: (j) => (j.result ? [format.ms(j.result.ms), j.result.emulated ? [" ", emulatedBadge()] : null] : "–"),
        },
        ...(compared ? [strategy] : []),
        { key: "rig", label: "Rig", value: (j) => j.rig, cell: (j) => j.rig ?? "–" },
        { key: "attempts", label: "Attempts", number: true, value: (j) => j.attempts, cell: (j) => j.attempts },
        {
            key: "error",
            label: "Failure",
            value: (j) => j.error?.type ?? null,
            cell: (j) => (j.error ? h("span", { title: j.error.detail }, j.error.type) : "–"),
        },
        { key: "log", label: "Log", value: () => null, cell: (j) => fileLink(logPath(j.id), "log") },
        {
            key: "spec",
            label: "Configuration",
            value: (j) => j.spec,
            cell: (j) => h("span", { class: "spec", title: j.spec }, describeSpec(j.spec)),
        },
    ];
}
