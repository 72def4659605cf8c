// SPDX-License-Identifier: MIT
// Rows as CSV (RFC 4180). Pure.

export type Cell = string | number | boolean | null | undefined;

export function toCsv(header: readonly string[], rows: readonly (readonly Cell[])[]): string {
    return [header, ...rows].map((row) => row.map(field).join(",")).join("\r\n") + "\r\n";
}

function field(cell: Cell): string {
    if (cell == null) return "";
    let text = String(cell);
    // Names come from whoever uploaded the model: a spreadsheet must not run one as a formula.
    if (typeof cell === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
