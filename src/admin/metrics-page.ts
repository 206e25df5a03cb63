/** The text of /metrics. Nothing is counted here: each scrape takes one reading and hands its values to prom-client. */
import { Counter, Gauge, Histogram as PrometheusHistogram, Registry } from 'prom-client';
import type { Histogram } from '../metrics/histogram.ts';
import { BUILD_INFO, METRIC_ROWS, type HistogramRow, type ValueRow } from './metric-rows.ts';
import type { MetricsReading, MetricsSource } from './metrics-source.ts';
import type { BuildInfo } from './status.ts';

export class MetricsPage {
  readonly #source: MetricsSource;
  /** One a node: several nodes may live in one process. */
  readonly #registry = new Registry();
  #reading: MetricsReading | null = null;

  constructor(source: MetricsSource, build: BuildInfo) {
    this.#source = source;
    for (const row of METRIC_ROWS) {
      if (row.type === 'histogram')
        this.#registry.registerMetric(new ReadHistogram(row, () => this.#current()));
      else this.#register(row);
    }
    this.#registerBuild(build);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  async text(): Promise<string> {
    this.#reading = this.#source.readMetrics();
    return this.#registry.metrics();
  }

  #register(row: ValueRow): void {
    const { name, help } = row;
    const options = { name, help, labelNames: row.labels, registers: [this.#registry] };
    if (row.type === 'gauge') {
      const gauge: Gauge = new Gauge({
        ...options,
        collect: () => this.#collect(row, gauge, (labels, value) => gauge.set(labels, value)),
      });
    } else {
      const counter: Counter = new Counter({
        ...options,
        collect: () => this.#collect(row, counter, (labels, value) => counter.inc(labels, value)),
      });
    }
  }

  /** Series that are not in the reading any more go. */
  #collect(row: ValueRow, metric: { reset(): void }, put: (labels: Labels, value: number) => void): void {
    metric.reset();
    row.read(this.#current(), (value, ...labels) => put(labelled(row.labels, labels), value));
  }

  #registerBuild(build: BuildInfo): void {
    const gauge = new Gauge({
      name: BUILD_INFO.name,
      help: BUILD_INFO.help,
      labelNames: BUILD_INFO.labels,
      registers: [this.#registry],
    });
    gauge.set({ version: build.version, node_version: build.nodeVersion }, 1);
  }

  #current(): MetricsReading {
    return this.#reading ?? this.#source.readMetrics();
  }
}

type Labels = Record<string, string | number>;

interface Series {
  metricName: string;
  value: number;
  labels: Labels;
}

/** A histogram that was counted elsewhere: the values come from the row when they are asked for. */
class ReadHistogram extends PrometheusHistogram {
  readonly #row: HistogramRow;
  readonly #reading: () => MetricsReading;

  constructor(row: HistogramRow, reading: () => MetricsReading) {
    super({ name: row.name, help: row.help, labelNames: row.labels, registers: [] });
    this.#row = row;
    this.#reading = reading;
  }

  /** The registry asks a histogram for its values by this name; the one overridden goes by prom-client's own counts. */
  getForPromString(): object {
    const { name, help, labels: labelNames, scale } = this.#row;
    const values: Series[] = [];
    this.#row.read(this.#reading(), (histogram, ...labels) =>
      addSeries(values, name, histogram, scale, labelled(labelNames, labels)),
    );
    return { name, help, type: 'histogram', aggregator: 'sum', values };
  }
}

/** Cumulative buckets, as the format wants them. */
function addSeries(into: Series[], name: string, histogram: Histogram, scale: number, labels: Labels): void {
  let count = 0;
  for (const [bucket, bound] of histogram.bounds.entries()) {
    count += histogram.countIn(bucket);
    // Without the last digits that scaling blurs: bounds are labels, and must read the same everywhere.
    const le = Number((bound * scale).toPrecision(12));
    into.push({ metricName: `${name}_bucket`, value: count, labels: { ...labels, le } });
  }
  into.push({ metricName: `${name}_bucket`, value: histogram.count, labels: { ...labels, le: '+Inf' } });
  into.push({ metricName: `${name}_sum`, value: histogram.sum * scale, labels });
  into.push({ metricName: `${name}_count`, value: histogram.count, labels });
}

function labelled(names: readonly string[], values: readonly (string | number)[]): Labels {
  return Object.fromEntries(names.map((name, at) => [name, values[at]]));
}
