// SPDX-License-Identifier: MIT
// Questions to a set of configurations: which are not dominated, and which one answers P1 or P2. Pure.

/** The points that no other point beats on both axes (less is better on both), by rising x. */
export function frontOf<T>(points: readonly T[], x: (p: T) => number, y: (p: T) => number): T[] {
    const sorted = points
        .filter((p) => Number.isFinite(x(p)) && Number.isFinite(y(p)))
        .sort((a, b) => x(a) - x(b) || y(a) - y(b));
    const front: T[] = [];
    let best = Infinity;
    for (const p of sorted) {
        if (y(p) < best) {
            front.push(p);
            best = y(p);
        }
    }
    return front;
}

/** The point with the least `cost` among those whose `limited` is at most `limit`; ties by less `limited`. */
export function leastWithin<T>(
    points: readonly T[],
    cost: (p: T) => number,
    limited: (p: T) => number,
    limit: number,
): T | null {
    let best: T | null = null;
    for (const p of points) {
        if (!(limited(p) <= limit)) continue;
        if (!best || cost(p) < cost(best) || (cost(p) === cost(best) && limited(p) < limited(best))) best = p;
    }
    return best;
}

/** Round values between min and max for a log axis: about as many as asked for, whatever the span. */
export function logTicks(min: number, max: number, about: number): number[] {
    if (!(min > 0) || !(max > min)) return [];
    let best: number[] = [];
    const consider = (ticks: number[]) => {
        if (Math.abs(ticks.length - about) < Math.abs(best.length - about)) best = ticks;
    };
    const decade = Math.floor(Math.log10(min));
    for (const mantissas of [[1], [1, 3], [1, 2, 5], [1, 2, 4, 8], [1, 1.5, 2, 3, 4, 6, 8]]) {
        const ticks: number[] = [];
        for (let d = decade; 10 ** d <= max; d++)
            ticks.push(...mantissas.map((m) => Number((m * 10 ** d).toPrecision(6))));
        consider(ticks.filter((t) => t >= min && t <= max));
    }
    if (max / min < 4) {
        // Within so short a span a log axis is nearly linear: even steps read better.
        for (let d = decade - 2; d <= decade + 1; d++) {
            for (const m of [1, 2, 5]) {
                const step = m * 10 ** d;
                if ((max - min) / step > 50) continue;
                const first = Math.ceil(min / step);
                consider(
                    Array.from({ length: Math.floor(max / step) - first + 1 }, (_, i) =>
                        Number(((first + i) * step).toPrecision(6)),
                    ),
                );
            }
        }
    }
    return best;
}

/** A slider position 0..steps as a value between min and max on a log scale, and back. */
export function logScale(min: number, max: number, steps: number) {
    const low = Math.log(Math.max(min, 1));
    const span = Math.log(Math.max(max, 1)) - low;
    return {
        valueAt: (position: number) => Math.exp(low + (span * position) / steps),
        positionOf: (value: number) =>
            span === 0 ? 0 : Math.min(steps, Math.max(0, ((Math.log(Math.max(value, 1)) - low) / span) * steps)),
    };
}
