// SPDX-License-Identifier: MIT
// A sortable, paged table that works by keyboard and screen reader: headers are buttons and carry aria-sort; the first
// cell of a row may be a button that selects it, and Up/Down move between those. Only one page of rows is in the
// document, so that ten thousand rows cost no more than fifty.
import { h, fill, type Child } from "./dom.ts";
import { count } from "./format.ts";

export interface Column<T> {
    key: string;
    label: string;
    title?: string;
    number?: boolean;
    value(row: T): string | number | null; // to sort by; null sorts last
    cell(row: T): Child;
}

export interface TableOptions<T> {
    caption: string;
    id(row: T): string;
    empty: string;
    sort: { key: string; descending: boolean };
    onSelect?(row: T): void;
    rowLabel?(row: T): string; // accessible name of the row's button
    pageSize?: number;
}

export class Table<T> {
    readonly element: HTMLElement;
    private columns: Column<T>[] = [];
    private rows: T[] = [];
    private page = 0;
    private selected: string | null = null;
    private marks: Record<string, string> = {};
    private readonly head = h("tr");
    private readonly body = h("tbody");
    private readonly pager = h("div", { class: "pager" });
    private readonly sort: { key: string; descending: boolean };

    constructor(private readonly options: TableOptions<T>) {
        this.sort = { ...options.sort };
        this.body.addEventListener("keydown", (event) => this.onKey(event));
        this.element = h(
            "div",
            { class: "table-box" },
            h(
                "div",
                { class: "scroll", tabindex: 0, role: "region", "aria-label": options.caption },
                h(
                    "table",
                    null,
                    h("caption", { class: "hidden" }, options.caption),
                    h("thead", null, this.head),
                    this.body,
                ),
            ),
            this.pager,
        );
    }

    update(columns: Column<T>[], rows: readonly T[]): void {
        const names = columns.map((c) => c.key + c.label).join("|");
        const changed = names !== this.columns.map((c) => c.key + c.label).join("|");
        this.columns = columns;
        this.rows = [...rows];
        if (!columns.some((c) => c.key === this.sort.key)) this.sort.key = columns[0]!.key;
        if (changed) this.drawHead();
        this.sortRows();
        this.drawBody();
    }

    /** Marks a row as the selected one and turns to its page. */
    select(id: string | null): void {
        if (id !== null && id !== this.selected) {
            const index = this.rows.findIndex((row) => this.options.id(row) === id);
            if (index >= 0) this.page = Math.floor(index / this.pageSize);
        }
        this.selected = id;
        this.drawBody();
    }

    /** Labels shown in the first cell of some rows, by row id. */
    setMarks(marks: Record<string, string>): void {
        if (JSON.stringify(marks) === JSON.stringify(this.marks)) return;
        this.marks = marks;
        this.drawBody();
    }

    private get pageSize(): number {
        return this.options.pageSize ?? 25;
    }

    private sortRows(): void {
        const column = this.columns.find((c) => c.key === this.sort.key)!;
        const sign = this.sort.descending ? -1 : 1;
        this.rows.sort((a, b) => {
            const x = column.value(a);
            const y = column.value(b);
            if (x === null || y === null) return (x === null ? 1 : 0) - (y === null ? 1 : 0);
            return sign * (typeof x === "string" || typeof y === "string" ? String(x).localeCompare(String(y)) : x - y);
        });
    }

    private drawHead(): void {
        fill(
            this.head,
            this.columns.map((column) =>
                h(
                    "th",
                    {
                        scope: "col",
                        class: column.number ? "number" : null,
                        "data-key": column.key,
                        title: column.title,
                    },
                    h(
                        "button",
                        { type: "button", class: "sort", onclick: () => this.sortBy(column.key) },
                        column.label,
                    ),
                ),
            ),
        );
        this.drawSort();
    }

    private drawSort(): void {
        for (const th of this.head.children) {
            const mine = (th as HTMLElement).dataset.key === this.sort.key;
            th.setAttribute("aria-sort", mine ? (this.sort.descending ? "descending" : "ascending") : "none");
        }
    }

    private sortBy(key: string): void {
        this.sort.descending = this.sort.key === key ? !this.sort.descending : false;
        this.sort.key = key;
        this.page = 0;
        this.drawSort();
        this.sortRows();
        this.drawBody();
    }

    private drawBody(): void {
        const pages = Math.max(1, Math.ceil(this.rows.length / this.pageSize));
        this.page = Math.min(this.page, pages - 1);
        const shown = this.rows.slice(this.page * this.pageSize, (this.page + 1) * this.pageSize);
        const focused = (document.activeElement as HTMLElement | null)?.closest<HTMLElement>("tr[data-id]");
        const focusedId = focused && this.body.contains(focused) ? focused.dataset.id : undefined;

        fill(this.body, shown.length ? shown.map((row) => this.drawRow(row)) : this.drawEmpty());
        if (focusedId !== undefined) this.rowButton(focusedId)?.focus({ preventScroll: true });
        this.drawPager(pages);
    }

    private drawRow(row: T): HTMLElement {
        const id = this.options.id(row);
        const { onSelect } = this.options;
        const cells = this.columns.map((column, i) => {
            let content: Child = column.cell(row);
            if (i === 0 && this.marks[id]) content = [h("span", { class: "mark" }, this.marks[id]), content];
            if (i === 0 && onSelect) {
                content = h(
                    "button",
                    {
                        type: "button",
                        class: "row-button",
                        "aria-pressed": String(id === this.selected),
                        "aria-label": this.options.rowLabel?.(row),
                        onclick: () => onSelect(row),
                    },
                    content,
                );
            }
            return h("td", { class: column.number ? "number" : null }, content);
        });
        const tr = h("tr", { "data-id": id, class: id === this.selected ? "selected" : null }, cells);
        if (onSelect) {
            tr.classList.add("selectable");
            tr.addEventListener("click", (event) => {
                if (!(event.target as Element).closest("a, button")) onSelect(row);
            });
        }
        return tr;
    }

    private drawEmpty(): HTMLElement {
        return h("tr", null, h("td", { class: "empty", colspan: this.columns.length }, this.options.empty));
    }

    private drawPager(pages: number): void {
        const first = this.page * this.pageSize;
        const turn = (by: number) => {
            this.page += by;
            this.drawBody();
        };
        const held = this.pager.contains(document.activeElement)
            ? (document.activeElement as HTMLElement).dataset.turn
            : null;
        fill(
            this.pager,
            pages > 1 && [
                h(
                    "button",
                    { type: "button", "data-turn": "back", disabled: this.page === 0, onclick: () => turn(-1) },
                    "← Previous",
                ),
                h(
                    "span",
                    { role: "status" },
                    `${count(first + 1)}–${count(Math.min(first + this.pageSize, this.rows.length))} of ${count(this.rows.length)}`,
                ),
                h(
                    "button",
                    { type: "button", "data-turn": "on", disabled: this.page === pages - 1, onclick: () => turn(1) },
                    "Next →",
                ),
            ],
        );
        if (held) this.pager.querySelector<HTMLElement>(`[data-turn="${held}"]`)?.focus();
    }

    private rowButton(id: string): HTMLElement | null {
        return this.body.querySelector<HTMLElement>(`tr[data-id="${CSS.escape(id)}"] .row-button`);
    }

    private onKey(event: KeyboardEvent): void {
        if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
        const row = (event.target as Element).closest("tr");
        const next = event.key === "ArrowDown" ? row?.nextElementSibling : row?.previousElementSibling;
        const button = next?.querySelector<HTMLElement>(".row-button");
        if (!button) return;
        event.preventDefault();
        button.focus();
    }
}
