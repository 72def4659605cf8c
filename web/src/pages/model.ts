// SPDX-License-Identifier: MIT
// A model: its trade-off, predicted for the boards chosen and with every measurement of its campaigns, and the form
// that starts another campaign.
import {
    createCampaign,
    get,
    list,
    modelFilePath,
    newKey,
    type Board,
    type Campaign,
    type FrontPoint,
    type Model,
    type Rig,
    type Result,
} from "../api.ts";
import { fill, h } from "../dom.ts";
import { Explorer } from "../explorer.ts";
import { Fronts } from "../fronts.ts";
import * as format from "../format.ts";
import { boardFacts, campaignName, campaignProgress, fileLink, problem } from "../parts.ts";
import { PointSet } from "../points.ts";
import { PARETO, STRATEGIES } from "../strategies.ts";

const MAX_OFF_FRONT = 200; // configurations off the front that are priced one by one

export async function modelPage(root: HTMLElement, signal: AbortSignal, id: string): Promise<void> {
    fill(root, h("p", { class: "quiet page-loading" }, "Loading…"));
    const [model, boards, rigs, campaigns] = await Promise.all([
        get<Model>(`/models/${id}`, signal),
        get<Board[]>("/boards", signal),
        get<Rig[]>("/rigs", signal),
        list<Campaign>(`/campaigns?model=${id}`, signal, 1000),
    ]);
    document.title = `${model.name} · msf-farm`;
    const mine = campaigns.filter((c) => c.model === id).sort((a, b) => b.id - a.id);
    const measuredOn = new Set(mine.flatMap((c) => c.boards));
    const live = new Set(rigs.filter((r) => r.state === "idle" || r.state === "busy").map((r) => r.board));
    const ids = boards.map((b) => b.id);
    const measurable = ids.filter((id) => live.has(id));
    const first = ids.filter((id) => measuredOn.has(id));
    // Shown at first: what was measured, or could be now.
    const shown = first.length ? first : (measurable.length ? measurable : ids).slice(0, 1);

    const points = new PointSet();
    const explorer = new Explorer(model, boards, shown, points, signal, campaignForm(model, boards, live));
    const status = h("div", { class: "status", "aria-live": "polite" });

    const fronts = new Fronts(
        id,
        points,
        signal,
        () => explorer.update(),
        (error, board) =>
            fill(
                status,
                problem(error, board === null ? "The front could not be read" : `No prediction for ${board}`),
            ),
    );
    explorer.onShown = (now, height) =>
        now.forEach((board) => {
            void fronts.byMacs(board.id);
            if (height === "predicted") void fronts.byLatency(board);
        });
    await fronts.byMacs(shown[0] ?? null); // shown with its points at once: nothing jumps
    if (signal.aborted) return;
    fill(root, header(model), status, explorer.element, mine.length ? campaignList(mine) : null);
    explorer.update();
    await Promise.all(shown.map((board) => fronts.byMacs(board)));

    // Measurements: the newest campaigns are enough to cover what is of interest, and bound the work.
    const results = (
        await Promise.all(mine.slice(0, 20).map((c) => list<Result>(`/campaigns/${c.id}/results`, signal)))
    ).flat();
    for (const result of results) points.addResult(result);
    explorer.update();
    const unpriced = points.all.filter((p) => p.macs === null).slice(0, MAX_OFF_FRONT);
    for (const point of unpriced) {
        points.addConfig(await get<FrontPoint>(`/models/${id}/config?spec=${encodeURIComponent(point.spec)}`, signal));
    }
    if (unpriced.length) explorer.update();
}

function header(model: Model): HTMLElement {
    return h(
        "div",
        { class: "page-head" },
        h("h1", null, model.name || "Unnamed model"),
        h(
            "p",
            { class: "facts" },
            h("span", null, h("b", null, format.count(model.layers)), " layers"),
            h("span", { title: format.count(model.macs) }, h("b", null, format.short(model.macs)), " MACs"),
            h(
                "span",
                { title: format.exactBytes(model.weight_bytes) },
                h("b", null, format.kb(model.weight_bytes)),
                " weights",
            ),
            h(
                "span",
                { title: format.exactBytes(model.plain_arena_bytes) },
                h("b", null, format.kb(model.plain_arena_bytes)),
                " RAM unfused",
            ),
            h("span", null, "input ", h("b", null, `${model.input.h}×${model.input.w}×${model.input.c}`)),
            h("span", { title: model.id }, "SHA-256 ", h("code", null, model.id.slice(0, 12))),
            fileLink(modelFilePath(model.id), "download the file", `${model.name || "model"}.tflite`),
        ),
    );
}

/** live: the boards that have a rig which takes jobs now. */
function campaignForm(model: Model, boards: Board[], live: Set<string>): HTMLElement {
    const status = h("div", { "aria-live": "polite" });
    const points = h("input", { type: "number", name: "points", min: 1, max: 200, value: 12, required: true });
    const repeats = h("input", { type: "number", name: "repeats", min: 1, max: 1000, value: 3, required: true });
    const chosen = boards.find((b) => live.has(b.id))?.id;
    const picks = boards.map((b) =>
        h("input", { type: "checkbox", name: "board", value: b.id, checked: b.id === chosen }),
    );
    const ways = STRATEGIES.map((s) =>
        h("input", { type: "checkbox", name: "strategy", value: s.name, checked: s.name === PARETO }),
    );
    const submit = h("button", { type: "submit", class: "button primary" }, "Measure");
    let key = newKey(); // the same until it succeeds: pressing twice, or again after a lost answer, starts one campaign
    return h(
        "form",
        {
            class: "card campaign-form",
            "aria-label": "New campaign",
            oninput: () => (key = newKey()),
            onsubmit: async (event: Event) => {
                event.preventDefault();
                const on = picks.filter((p) => p.checked).map((p) => p.value);
                if (!on.length) {
                    fill(status, h("p", { class: "problem", role: "alert" }, "Choose at least one board."));
                    return;
                }
                const strategies = ways.filter((w) => w.checked).map((w) => w.value);
                if (!strategies.length) {
                    fill(status, h("p", { class: "problem", role: "alert" }, "Choose at least one strategy."));
                    return;
                }
                submit.disabled = true;
                try {
                    const campaign = await createCampaign(
                        {
                            model: model.id,
                            boards: on,
                            strategies,
                            points: Number(points.value),
                            repeats: Number(repeats.value),
                        },
                        key,
                    );
                    location.hash = `#/campaigns/${campaign.id}`;
                } catch (error) {
                    fill(status, problem(error, "The campaign was not started"));
                } finally {
                    submit.disabled = false;
                }
            },
        },
        h("h2", null, "Measure it"),
        h(
            "fieldset",
            null,
            h("legend", null, "Boards"),
            boards.map((b, i) =>
                h(
                    "label",
                    { class: "pick", title: boardFacts(b) },
                    picks[i],
                    b.id,
                    live.has(b.id) ? null : h("span", { class: "quiet" }, "(no rig)"),
                ),
            ),
        ),
        h(
            "fieldset",
            null,
            h("legend", null, "Strategies"),
            STRATEGIES.map((s, i) => h("label", { class: "pick", title: s.title }, ways[i], s.name)),
        ),
        h(
            "div",
            { class: "form-row" },
            h("label", null, "Points of each", points),
            h("label", null, "Repeats", repeats),
        ),
        submit,
        status,
    );
}

function campaignList(campaigns: Campaign[]): HTMLElement {
    return h(
        "section",
        { class: "card" },
        h("h2", null, "Campaigns of this model"),
        h(
            "ul",
            { class: "items" },
            campaigns
                .slice(0, 20)
                .map((c) =>
                    h(
                        "li",
                        null,
                        h(
                            "a",
                            { class: "item", href: `#/campaigns/${c.id}` },
                            h("span", { class: "item-name" }, campaignName(c)),
                            h(
                                "span",
                                { class: "item-facts" },
                                h("span", null, c.boards.join(", ")),
                                h("span", null, format.ago(c.created, Date.now())),
                            ),
                            campaignProgress(c),
                        ),
                    ),
                ),
        ),
    );
}
