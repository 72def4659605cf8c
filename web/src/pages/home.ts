// SPDX-License-Identifier: MIT
// The first page: models with upload, campaigns with their progress, boards and rigs with their health.
import { asProblem, get, list, uploadModel, type Board, type Campaign, type Model, type Rig } from "../api.ts";
import { fill, h, type Child } from "../dom.ts";
import * as format from "../format.ts";
import { boardFacts, campaignName, campaignProgress, emulatedBadge, problem, stateBadge } from "../parts.ts";

const MAX_MODEL_BYTES = 32 * 1000 * 1000;
const REFRESH_MS = 5000;

export function homePage(root: HTMLElement, signal: AbortSignal, focus: "models" | "campaigns" | "boards"): void {
    document.title = "msf-farm";
    const models = h("div", { class: "list", "aria-live": "polite" }, loading());
    const campaigns = h("div", { class: "list" }, loading());
    const boards = h("div", { class: "list" }, loading());
    const section = (id: string, title: string, ...children: Child[]) =>
        h(
            "section",
            { class: `card home-${id}`, id, "aria-labelledby": `${id}-title` },
            h("h2", { id: `${id}-title` }, title),
            children,
        );

    fill(
        root,
        h(
            "div",
            { class: "intro" },
            h("h1", null, "How little RAM does your CNN need?"),
            h(
                "p",
                null,
                "Upload an int8 TFLite model. The farm works out every fusion configuration worth trying, measures it on boards, and shows what each saved kilobyte costs in latency.",
            ),
        ),
        h(
            "div",
            { class: "home" },
            section("models", "Models", dropZone(signal), models),
            section("campaigns", "Campaigns", campaigns),
            section("boards", "Boards", boards),
        ),
    );
    if (focus !== "models") document.getElementById(focus)?.scrollIntoView();

    const shown = new Map<HTMLElement, string>(); // what each list was drawn from
    const show = async <T>(box: HTMLElement, read: () => Promise<T>, draw: (value: T) => Child) => {
        try {
            const value = await read();
            const text = JSON.stringify(value);
            if (text === shown.get(box)) return;
            shown.set(box, text);
            const focused = box.contains(document.activeElement) ? document.activeElement!.getAttribute("href") : null;
            fill(box, draw(value));
            if (focused !== null)
                box.querySelector<HTMLElement>(`a[href="${focused}"]`)?.focus({ preventScroll: true });
        } catch (error) {
            shown.delete(box);
            if (!signal.aborted) fill(box, problem(error, ""));
        }
    };
    const refresh = () => {
        if (document.hidden) return;
        void show(campaigns, () => list<Campaign>("/campaigns", signal, 200), drawCampaigns);
        void show(
            boards,
            () => Promise.all([get<Board[]>("/boards", signal), get<Rig[]>("/rigs", signal)]),
            ([b, r]) => drawBoards(b, r),
        );
    };
    void show(models, () => list<Model>("/models", signal, 1000), drawModels);
    refresh();
    const timer = setInterval(refresh, REFRESH_MS);
    signal.addEventListener("abort", () => clearInterval(timer));
}

function loading(): HTMLElement {
    return h("p", { class: "quiet" }, "Loading…");
}

function dropZone(signal: AbortSignal): HTMLElement {
    const status = h("div", { class: "drop-status", "aria-live": "polite" });
    const input = h("input", { type: "file", accept: ".tflite", class: "hidden", id: "file", multiple: false });
    const zone = h(
        "div",
        { class: "drop" },
        h(
            "p",
            null,
            h("b", null, "Drop a .tflite file here"),
            " or ",
            h("label", { for: "file", class: "button" }, "choose a file"),
        ),
        input,
        status,
    );
    const take = async (file: File | undefined) => {
        if (!file) return;
        if (file.size > MAX_MODEL_BYTES) {
            fill(
                status,
                problem(
                    { message: "" },
                    `${file.name} is ${format.kb(file.size)}; the farm takes models up to ${format.kb(MAX_MODEL_BYTES)}`,
                ),
            );
            return;
        }
        fill(status, h("p", { class: "quiet" }, `Uploading ${file.name}, ${format.kb(file.size)}…`));
        try {
            const model = await uploadModel(file.name.replace(/\.tflite$/i, ""), file);
            if (!signal.aborted) location.hash = `#/models/${model.id}`;
        } catch (error) {
            fill(status, problem(asProblem(error), file.name));
        }
        input.value = "";
    };
    input.addEventListener("change", () => void take(input.files?.[0]));
    // The whole window accepts the file: missing the box must not make the browser leave the page.
    const over = (on: boolean) => (event: DragEvent) => {
        event.preventDefault();
        zone.classList.toggle("over", on);
    };
    window.addEventListener("dragover", over(true), { signal });
    window.addEventListener("dragleave", over(false), { signal });
    window.addEventListener(
        "drop",
        (event) => {
            over(false)(event);
            void take(event.dataTransfer?.files[0]);
        },
        { signal },
    );
    return zone;
}

function drawModels(models: Model[]): Child {
    if (!models.length)
        return h(
            "p",
            { class: "quiet" },
            "No models yet. From a shell: curl --data-binary @model.tflite …/api/v1/models?name=NAME",
        );
    return h(
        "ul",
        { class: "items" },
        models.map((m) =>
            h(
                "li",
                null,
                h(
                    "a",
                    { class: "item", href: `#/models/${m.id}` },
                    h("span", { class: "item-name" }, m.name || m.id.slice(0, 12)),
                    h(
                        "span",
                        { class: "item-facts" },
                        h("span", null, format.plural(m.layers, "layer")),
                        h("span", null, `${format.short(m.macs)} MACs`),
                        h("span", null, `${format.kb(m.weight_bytes)} weights`),
                        h("span", null, `${format.kb(m.plain_arena_bytes)} RAM unfused`),
                    ),
                ),
            ),
        ),
    );
}

function drawCampaigns(campaigns: Campaign[]): Child {
    if (!campaigns.length) return h("p", { class: "quiet" }, "None yet. Open a model to start one.");
    const newest = [...campaigns].sort((a, b) => b.id - a.id).slice(0, 12);
    return h(
        "ul",
        { class: "items" },
        newest.map((c) =>
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
    );
}

function drawBoards(boards: Board[], rigs: Rig[]): Child {
    return h(
        "ul",
        { class: "items" },
        boards.map((board) => {
            const mine = rigs.filter((r) => r.board === board.id);
            return h(
                "li",
                { class: "board" },
                h("span", { class: "item-name" }, board.name ?? board.id),
                h(
                    "span",
                    { class: "item-facts" },
                    h("span", null, board.name ? board.id : ""),
                    h("span", null, boardFacts(board)),
                ),
                mine.length
                    ? h(
                          "ul",
                          { class: "rigs" },
                          mine.map((rig) =>
                              h(
                                  "li",
                                  null,
                                  stateBadge(rig.state),
                                  ` ${rig.name} `,
                                  rig.emulated ? emulatedBadge() : null,
                                  h(
                                      "span",
                                      { class: "quiet" },
                                      ` ${rig.agent}, seen ${format.ago(rig.last_seen, Date.now())}`,
                                      rig.job ? `, job ${rig.job}` : "",
                                      rig.failures ? `, ${format.plural(rig.failures, "failure")}` : "",
                                  ),
                                  rig.state === "quarantined" &&
                                      h(
                                          "p",
                                          { class: "why" },
                                          rig.last_error ?? "repeated failures",
                                          rig.quarantine_until
                                              ? `; tried again at ${rig.quarantine_until.slice(11, 16)} UTC`
                                              : "",
                                      ),
                              ),
                          ),
                      )
                    : h("p", { class: "quiet" }, "no rig connected"),
            );
        }),
    );
}
