// SPDX-License-Identifier: MIT
// The text of a configuration, "0-8:rows 9:plain 10-20:cols4", as blocks. Pure.

export interface SpecBlock {
    first: number;
    last: number;
    schedule: string;
}

const layers = String.raw`\d+(?:-\d+)?`;
const cellSchedule = String.raw`(?:cols\d+|groups\d+(?:x\d+){0,2})`;
const cells = String.raw`cells\(${layers}:${cellSchedule}(?:,${layers}:${cellSchedule})*\)`;
const blockPattern = new RegExp(String.raw`^(\d+)(?:-(\d+))?:([a-z]+\d*|${cellSchedule}|${cells})$`);

/** The blocks of a configuration, or null when the text is not one. */
export function parseSpec(spec: string): SpecBlock[] | null {
    const blocks: SpecBlock[] = [];
    for (const word of spec.replace(/( arena:\d+)?( output:outside)?$/, "").split(" ")) {
        const match = blockPattern.exec(word);
        if (!match) return null;
        const first = Number(match[1]);
        blocks.push({ first, last: match[2] === undefined ? first : Number(match[2]), schedule: match[3]! });
    }
    return blocks;
}

/** One line for a table: the fused blocks by name, runs of plain layers only counted. */
export function describeSpec(spec: string): string {
    const blocks = parseSpec(spec);
    if (!blocks) return spec;
    const fused = blocks.filter((b) => b.schedule !== "plain");
    const plain = blocks.reduce((n, b) => (b.schedule === "plain" ? n + b.last - b.first + 1 : n), 0);
    const words = fused.map((b) => `${b.first === b.last ? b.first : `${b.first}–${b.last}`} ${b.schedule}`);
    if (plain) words.push(`${plain} plain`);
    return words.join(" · ");
}
