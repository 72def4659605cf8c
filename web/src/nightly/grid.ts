// SPDX-License-Identifier: MIT
// The heat grid of a run: models down, boards across; a cell is a button that picks its findings.
import { h } from "../dom.ts";
import type { GridCell } from "./api.ts";
import { cellWords, LOOKS } from "./words.ts";

export interface Pick {
    model: string;
    board: string;
}

export function heatGrid(cells: readonly GridCell[], onPick: (pick: Pick | null) => void): HTMLElement {
    const boards = [...new Set(cells.map((c) => c.board))].sort();
    const models = [...new Map(cells.map((c) => [c.model, c.model_name])).entries()].sort((a, b) =>
        a[1].localeCompare(b[1]),
    );
    const at = new Map(cells.map((c) => [`${c.model} ${c.board}`, c]));
    const buttons: HTMLButtonElement[] = [];
    const button = (cell: GridCell) => {
        const look = LOOKS[cell.look];
        const words = `${cell.model_name} on ${cell.board}: ${look.words}; ${cellWords(cell)}`;
        const element = h(
            "button",
            {
                class: `heat heat-${cell.look}`,
                type: "button",
                title: words,
                "aria-label": words,
                "aria-pressed": "false",
                onclick: () => {
                    const was = element.getAttribute("aria-pressed") === "true";
                    for (const other of buttons) other.setAttribute("aria-pressed", "false");
                    if (!was) element.setAttribute("aria-pressed", "true");
                    onPick(was ? null : { model: cell.model, board: cell.board });
                },
            },
            h("span", { class: "heat-sign", "aria-hidden": "true" }, look.sign),
            h("span", { class: "heat-count", "aria-hidden": "true" }, `${cell.done}/${cell.points}`),
        );
        buttons.push(element);
        return element;
    };
    const used = new Set(cells.map((c) => c.look));
    return h(
        "div",
        { class: "heat-box" },
        h(
            "div",
            { class: "scroll" },
            h(
                "table",
                { class: "heat-grid" },
                h("caption", { class: "hidden" }, "Models by boards; each cell says how the night went"),
                h(
                    "thead",
                    null,
                    h("tr", null, h("td", null), boards.map((b) => h("th", { scope: "col" }, b))),
                ),
                h(
                    "tbody",
                    null,
                    models.map(([model, name]) =>
                        h(
                            "tr",
                            null,
                            h("th", { scope: "row" }, name),
                            boards.map((board) => {
                                const cell = at.get(`${model} ${board}`);
                                return h("td", null, cell ? button(cell) : h("span", { class: "heat heat-none" }, " "));
                            }),
                        ),
                    ),
                ),
            ),
        ),
        h(
            "ul",
            { class: "heat-legend" },
            (Object.keys(LOOKS) as (keyof typeof LOOKS)[])
                .filter((look) => used.has(look))
                .map((look) =>
                    h(
                        "li",
                        null,
                        h("span", { class: `heat heat-${look}`, "aria-hidden": "true" }, LOOKS[look].sign),
                        LOOKS[look].words,
                    ),
                ),
        ),
    );
}
