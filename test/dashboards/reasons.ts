/** Exceptions of the dashboards' tests. A row a metric, and why; a metric that gets a panel leaves its list. */

/** Metrics that no panel shows. */
export const WITHOUT_PANEL: Readonly<Record<string, string>> = {};

/** Metrics that need not have a series in a small cluster whose weights have just changed: their panels may be empty there. */
export const WITHOUT_DATA: Readonly<Record<string, string>> = {};
