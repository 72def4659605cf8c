// SPDX-License-Identifier: MIT
// The fronts of a model, read into a PointSet when somebody wants to see them, each once.
import { get, type Board, type Front } from "./api.ts";
import type { PointSet } from "./points.ts";

export class Fronts {
    private readonly asked = new Set<string>();

    constructor(
        private readonly model: string,
        private readonly points: PointSet,
        private readonly signal: AbortSignal,
        private readonly changed: () => void,
        private readonly failed: (error: unknown, board: string | null) => void,
    ) {}

    /** RAM against MACs; with the latency that is predicted for the board, if there is one. */
    byMacs(board: string | null): Promise<void> {
        return this.read(board, board === null ? "" : `?board=${encodeURIComponent(board)}`);
    }

    /** RAM against the latency that is predicted for the board; nothing when it has no latency model. */
    async byLatency(board: Board): Promise<void> {
        if (board.latency) await this.read(board.id, `?board=${encodeURIComponent(board.id)}&axis=latency`);
    }

    private async read(board: string | null, query: string): Promise<void> {
        if (this.asked.has(query)) return;
        this.asked.add(query);
        try {
            const front = await get<Front>(`/models/${this.model}/front${query}`, this.signal);
            this.points.addFront(board, front.points);
            this.changed();
        } catch (error) {
            this.asked.delete(query); // asked again when it is wanted again
            if (!this.signal.aborted) this.failed(error, board);
        }
    }
}
