// SPDX-License-Identifier: MIT
// Small pieces that several pages show: errors, badges, progress, names of boards.
import { download, h, type Child } from "./dom.ts";
import * as format from "./format.ts";
import { address, asProblem, getBlob, linksNeedToken, type Board, type Campaign } from "./api.ts";

export function problem(error: unknown, context: string): HTMLElement {
    const p = asProblem(error);
    return h(
        "div",
        { class: "problem", role: "alert" },
        h("strong", null, context ? `${context}: ${p.title}` : p.title),
        p.detail && p.detail !== p.title && h("p", null, p.detail),
        p.nearest &&
            h(
                "p",
                null,
                `Nearest that fits: ${format.kb(p.nearest.arena_bytes)}, F ${p.nearest.overhead.toFixed(3)}, `,
                h("code", null, p.nearest.spec),
            ),
        h("p", { class: "problem-type" }, p.field ? `${p.type}, field “${p.field}”` : p.type),
    );
}

export function emulatedBadge(): HTMLElement {
    return h(
        "span",
        { class: "badge emulated", title: "This result comes from an emulated board, not from hardware" },
        "emulated",
    );
}

export function stateBadge(state: string): HTMLElement {
    return h("span", { class: `badge state-${state}` }, state);
}

/** Progress of a campaign's jobs as one stacked bar with its meaning in words. */
export function campaignProgress(campaign: Campaign): HTMLElement {
    const { queued, leased, done } = campaign.jobs;
    const cancelled = campaign.jobs.cancelled ?? 0;
    const failed = campaign.jobs.failed - cancelled;
    const total = queued + leased + done + failed + cancelled || 1;
    const words = [
        `${done} done`,
        leased && `${leased} running`,
        queued && `${queued} queued`,
        failed && `${failed} failed`,
        cancelled && `${cancelled} cancelled`,
    ]
        .filter(Boolean)
        .join(", ");
    const part = (kind: string, n: number) => n > 0 && h("i", { class: kind, css: { width: `${(n / total) * 100}%` } });
    return h(
        "div",
        { class: "progress" },
        h(
            "div",
            {
                class: "progress-bar",
                role: "progressbar",
                "aria-label": "Jobs finished",
                "aria-valuemin": 0,
                "aria-valuemax": total,
                "aria-valuenow": done + failed + cancelled,
                "aria-valuetext": words,
            },
            part("done", done),
            part("failed", failed),
            part("leased", leased),
        ),
        h("span", { class: "progress-text" }, words),
    );
}

/** "Cortex-M7, 216 MHz, 512 kB RAM": whatever of it the board's description gives. */
export function boardFacts(board: Board): string {
    return [
        board.core,
        board.clock_hz ? `${format.roundTo(board.clock_hz / 1e6, 1)} MHz` : null,
        board.ram_bytes ? `${format.kb(board.ram_bytes)} RAM` : null,
    ]
        .filter(Boolean)
        .join(", ");
}

/** What a campaign is called: its name, or its model's, and always its number. */
export function campaignName(campaign: Campaign): string {
    return `${campaign.name || campaign.model_name || "Campaign"} #${campaign.id}`;
}

/** Each board keeps its colour on every page: by its place in the server's list. */
export function boardColours(boards: readonly string[]): Map<string, string> {
    return new Map(boards.map((id, i) => [id, `--board-${(i % 8) + 1}`]));
}

/** A link to a file of the API: opened in a new tab, or saved under `name`. */
export function fileLink(path: string, text: Child, name?: string): HTMLElement {
    return h(
        "a",
        {
            href: address(path),
            target: name ? null : "_blank",
            rel: "noopener",
            download: name,
            onclick: async (event: Event) => {
                if (!linksNeedToken()) return;
                event.preventDefault();
                const blob = await getBlob(path);
                if (name) download(name, blob);
                else window.open(URL.createObjectURL(new Blob([blob], { type: "text/plain" })), "_blank");
            },
        },
        text,
    );
}
