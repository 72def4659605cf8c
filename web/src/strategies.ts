// SPDX-License-Identifier: MIT
// Strategies: their names, what they do, and how they are told apart, by shape and colour. Pure.

export const PARETO = "pareto";
const NAMED = "named"; // configurations that a user asked for by their text

export interface Strategy {
    name: string;
    title: string;
    symbol: string; // of ECharts
    colour: string; // CSS variable
}

export const STRATEGIES: readonly Strategy[] = [
    { name: PARETO, title: "every schedule, the whole exact front", symbol: "circle", colour: "--board-1" },
    { name: "vanilla", title: "no fusion", symbol: "rect", colour: "--board-6" },
    {
        name: "mcunetv2",
        title: "the head in n x n patches, then layer by layer",
        symbol: "triangle",
        colour: "--board-2",
    },
    {
        name: "streamnet",
        title: "the head by rows, nothing computed twice, then layer by layer",
        symbol: "path://M0,0 L10,0 L5,9 Z",
        colour: "--board-4",
    },
    { name: "msfcnn", title: "bands of one row, chosen by exact prices", symbol: "diamond", colour: "--board-3" },
    {
        name: "msfcnn-paper",
        title: "bands of one row, chosen by its authors' cost model",
        symbol: "path://M3.5,0 h3 v3.5 h3.5 v3 h-3.5 v3.5 h-3 v-3.5 h-3.5 v-3 h3.5 Z",
        colour: "--board-7",
    },
];

const BY_USER: Strategy = {
    name: NAMED,
    title: "configurations that were asked for",
    symbol: "path://M0,0 L10,0 L10,3 L7,5 L10,7 L10,10 L0,10 L0,7 L3,5 L0,3 Z",
    colour: "--board-8",
};

/** Strategies to draw apart, in the order of the legend; none where nothing but the front was chosen. */
export function strategiesOf(points: Iterable<{ strategies: ReadonlySet<string> }>): Strategy[] {
    const seen = new Set<string>();
    let named = false;
    for (const p of points) {
        if (p.strategies.size === 0) named = true;
        for (const s of p.strategies) seen.add(s);
    }
    const known = STRATEGIES.filter((s) => seen.has(s.name));
    if (!known.some((s) => s.name !== PARETO)) return [];
    return named ? [...known, BY_USER] : known;
}

/** Is the point one of the strategy's? */
export function belongs(point: { strategies: ReadonlySet<string> }, strategy: Strategy): boolean {
    return strategy.name === NAMED ? point.strategies.size === 0 : point.strategies.has(strategy.name);
}

/** For a table: the names, or that somebody asked for it. */
export function strategyNames(strategies: Iterable<string> | undefined): string {
    const names = [...(strategies ?? [])];
    return names.length ? names.join(", ") : "asked for";
}
