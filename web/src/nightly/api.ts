// SPDX-License-Identifier: MIT
// Plans, runs, series and findings as docs/nightly.md describes them.

export interface Points {
    all: number;
    done: number;
    failed: number;
    infrastructure: number;
    not_run: number;
    no_fit: number;
    open: number;
}

export type Verdict = "ok" | "improved" | "incomplete" | "rig" | "suspected" | "regression";

export interface Run {
    id: number;
    plan: string;
    slot: string;
    trigger: "cron" | "missed" | "manual" | "import";
    state: "planning" | "running" | "confirming" | "done" | "skipped" | "failed" | "cancelled";
    verdict: Verdict | null;
    detail: string | null;
    note: string | null;
    created: string;
    finished: string | null;
    points: Points;
    findings: number;
    regressions: number;
}

export type Look =
    | "regression"
    | "suspect"
    | "running"
    | "failed"
    | "infrastructure"
    | "not-run"
    | "no-fit"
    | "improved"
    | "known"
    | "pass";

export interface GridCell extends Omit<Points, "all"> {
    model: string;
    model_name: string;
    board: string;
    look: Look;
    points: number;
    regressions: number;
    suspects: number;
    improvements: number;
    known: number;
}

export interface RunDetail extends Run {
    grid: GridCell[];
}

export interface Plan {
    name: string;
    valid: boolean;
    error: { field: string | null; detail: string } | null;
    title: string | null;
    description?: string | null;
    schedule: { cron: string; timezone: string } | null;
    next_slot: string | null;
    boards?: string[];
    owners?: string[];
    running: number | null;
    last_run: Run | null;
}

export interface RunPoint {
    series: number;
    run: number;
    slot: string;
    trigger: string;
    rerun: number; // 0: the run's own point
    state: "open" | "done" | "failed" | "not-run" | "no-fit";
    baseline: boolean;
    board: string;
    configuration: string;
    spec: string | null;
    class: string | null;
    error_type: string | null;
    error_detail: string | null;
    cycles: { min: string; median: string; max: string } | null;
    ms: number | null;
    instructions: string | null;
    arena_bytes: number | null;
    stack_bytes: number | null;
    static_bytes: number | null;
    flash_bytes: number | null;
    clock_hz: number | null;
    firmware: string | null;
    program: string | null;
    toolchain: string | null;
    rig: string | null;
    emulated: boolean | null;
}

export interface Finding {
    id: number;
    plan: string;
    series: number | null;
    model: string | null;
    model_name: string | null;
    board: string;
    rig: string | null;
    configuration: string | null;
    count: number;
    kind: string;
    regression: boolean;
    metric: string;
    reason: string;
    state: "suspected" | "confirmed" | "unconfirmed" | "acknowledged" | "expected" | "resolved";
    first_run: number;
    first_slot: string;
    last_run: number;
    last_slot: string;
    was: number | null;
    is: number | null;
    percent: number | null;
    noise: number | null;
    firmware: string | null;
    firmware_changed: boolean;
    program_changed: boolean;
    rig_changed: boolean;
    owner: string | null;
    note: string | null;
    updated: string;
}

export interface Marker {
    run: number;
    slot: string;
    kind: string;
    from: string | null;
    to: string | null;
}

export interface Band {
    run: number;
    nights: number;
    median: number | null;
    low: number | null;
    high: number | null;
    begins: boolean;
}

export interface Change {
    run: number;
    metric: string;
    before: number | null;
    after: number | null;
    percent: number | null;
}

export interface Series {
    id: number;
    plan: string;
    model: string;
    model_name: string;
    board: string;
    configuration: string;
    last_run: number | null;
}

export interface SeriesDetail extends Series {
    points: RunPoint[];
    markers: Marker[];
    band: Band[];
    changes: Change[];
    findings: Finding[];
}

export interface FrontDot {
    series: number;
    configuration: string;
    ram_bytes: number;
    cycles: string;
    ms: number;
    emulated: boolean;
    on_front: boolean;
}

export interface CompareCell {
    model: string;
    model_name: string;
    board: string;
    left: number;
    entered: number;
    latency_percent: number | null;
    ram_percent: number | null;
    before: FrontDot[];
    after: FrontDot[];
    changes: {
        configuration: string;
        change: string;
        before: number | null;
        after: number | null;
        beaten_by: number | null;
    }[];
}

export interface Comparison {
    before: Run;
    after: Run;
    cells: CompareCell[];
}
