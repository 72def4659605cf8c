// SPDX-License-Identifier: MIT
// What the plot and the table show: configurations, each with its prediction per board and what boards measured of it.
import type { FrontPoint, Measured, Result } from "./api.ts";
import { PARETO } from "./strategies.ts";

export interface Point {
    spec: string;
    arena_bytes: number;
    macs: string | null; // null where only a measurement of it is known
    overhead: number | null;
    input_streamed: boolean;
    input_bytes: number;
    blocks: number;
    on_front: boolean;
    strategies: Set<string>; // that chose it; empty: it was named
    predicted_ms: Map<string, number>; // by board
    does_not_fit: Set<string>; // boards
    measured: Measured[]; // newest first, one for each (board, emulated)
}

export class PointSet {
    private readonly bySpec = new Map<string, Point>();
    /** Grows with every change, so that a view knows whether it is up to date. */
    version = 0;

    get all(): Point[] {
        return [...this.bySpec.values()];
    }

    get(spec: string): Point | undefined {
        return this.bySpec.get(spec);
    }

    addFront(board: string | null, points: readonly FrontPoint[]): void {
        for (const p of points) {
            const point = this.addConfig(p);
            point.on_front = p.on_front ?? true;
            if (point.on_front) point.strategies.add(PARETO);
            if (board !== null && p.predicted_ms !== null) point.predicted_ms.set(board, p.predicted_ms);
            if (board !== null && p.fits === false) point.does_not_fit.add(board);
            for (const m of p.measured ?? []) this.addMeasured(point, m);
        }
    }

    /** The prediction that came with a job. */
    addPrediction(spec: string, board: string, ms: number): void {
        const point = this.bySpec.get(spec);
        if (!point || point.predicted_ms.get(board) === ms) return;
        this.version++;
        point.predicted_ms.set(board, ms);
    }

    /** Who chose a configuration that is known. */
    addStrategies(spec: string, strategies: readonly string[]): void {
        const known = this.bySpec.get(spec)?.strategies;
        for (const strategy of strategies) {
            if (!known || known.has(strategy)) continue;
            known.add(strategy);
            this.version++;
        }
    }

    /** A configuration that may lie off the front. */
    addConfig(p: FrontPoint): Point {
        this.version++;
        let point = this.bySpec.get(p.spec);
        if (!point) {
            point = emptyPoint(p.spec);
            this.bySpec.set(p.spec, point);
        }
        point.arena_bytes = p.arena_bytes;
        point.macs = p.macs;
        point.overhead = p.overhead;
        point.input_streamed = p.input_streamed;
        point.input_bytes = p.input_bytes;
        point.blocks = p.blocks;
        for (const strategy of p.strategies ?? []) point.strategies.add(strategy);
        return point;
    }

    addResult(r: Result): Point {
        this.version++;
        let point = this.bySpec.get(r.spec);
        if (!point) {
            point = emptyPoint(r.spec);
            point.arena_bytes = r.arena_bytes;
            point.blocks = r.spec.split(" ").length;
            this.bySpec.set(r.spec, point);
        }
        for (const strategy of r.strategies ?? []) point.strategies.add(strategy);
        this.addMeasured(point, {
            board: r.board,
            result: r.id,
            arena_bytes: r.arena_bytes,
            stack_bytes: r.stack_bytes,
            static_bytes: r.static_bytes,
            ms: r.ms,
            cycles: r.cycles.median,
            instructions: r.instructions,
            emulated: r.emulated,
            timing: r.timing,
            output: r.output,
        });
        return point;
    }

    private addMeasured(point: Point, m: Measured): void {
        // A run whose output was wrong is a failure, not a data point. The server does not send one; this makes sure.
        if (m.output !== "match") return;
        const same = point.measured.findIndex((x) => x.board === m.board && x.emulated === m.emulated);
        if (same < 0) point.measured.push(m);
        else if (point.measured[same]!.result < m.result) point.measured[same] = m;
    }
}

function emptyPoint(spec: string): Point {
    return {
        spec,
        arena_bytes: 0,
        macs: null,
        overhead: null,
        input_streamed: false,
        input_bytes: 0,
        blocks: 0,
        on_front: false,
        strategies: new Set(),
        predicted_ms: new Map(),
        does_not_fit: new Set(),
        measured: [],
    };
}

/** RAM of a configuration as the user counts it. */
export function ramOf(point: Point, withInput: boolean): number {
    return point.arena_bytes + (withInput ? point.input_bytes : 0);
}

/** How results of a board are named wherever they stand: an emulated one always says so. */
export function measuredName(emulated: boolean): string {
    return emulated ? "measured, emulated" : "measured on hardware";
}
