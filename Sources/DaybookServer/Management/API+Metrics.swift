import DaybookCore
import DaybookJournal
import DaybookNode
import DaybookSDK
import DaybookValues
import Hummingbird
import NIOCore

extension API {
    /// Counters and gauges in the text format of Prometheus, version 0.0.4.
    func writeMetrics(_ call: Call) async -> Response {
        let (done, load) = (await node.currentStatistics(), await node.currentLoad())
        let functions = await node.inspect { $0.functionSummaries }
        var text = MetricsText()
        text.counter("daybook_events_total", "Events received, Daybook's own included.", done.events)
        text.counter("daybook_runs_queued_total", "Runs queued.", done.runsQueued)
        text.counter("daybook_runs_started_total", "Runs whose function has begun.", done.runsStarted)
        text.begin("daybook_runs_ended_total", "counter", "Runs ended, by how.")
        for (status, count) in [
            ("completed", done.runsCompleted), ("failed", done.runsFailed), ("cancelled", done.runsCancelled),
            ("quarantined", done.runsQuarantined),
        ] {
            text.value("daybook_runs_ended_total", [("status", status)], count)
        }
        text.counter("daybook_steps_completed_total", "Steps that got a result.", done.stepsCompleted)
        text.counter("daybook_steps_failed_total", "Steps that failed for good.", done.stepsFailed)
        text.counter(
            "daybook_attempts_failed_total", "Attempts of steps and functions that failed and are repeated.",
            done.attemptsFailed)
        text.counter("daybook_cron_ticks_total", "Ticks of schedules.", done.ticks)
        text.counter("daybook_journal_batches_total", "Batches of records flushed to disk.", done.batches)
        text.counter("daybook_journal_flushed_bytes_total", "Bytes of records flushed to disk.", done.batchBytes)
        text.begin("daybook_journal_flush_seconds", "histogram", "How long flushes of the journal took.")
        text.histogram("daybook_journal_flush_seconds", [], done.flushes)
        text.begin("daybook_calls_total", "counter", "Calls of apps, by how they ended.")
        let calls = done.calls.sorted { $0.key < $1.key }
        for (app, calls) in calls {
            text.value("daybook_calls_total", [("app", app), ("result", "answered")], calls.answered)
            text.value("daybook_calls_total", [("app", app), ("result", "failed")], calls.failed)
        }
        text.begin("daybook_call_seconds", "histogram", "How long calls of apps took.")
        for (app, calls) in calls { text.histogram("daybook_call_seconds", [("app", app)], calls.latency) }
        text.gauge("daybook_runs_unfinished", "Runs that have not ended.", load.unfinishedRuns)
        text.gauge("daybook_runs_loaded", "Runs whose code or state is in memory.", load.loadedRuns)
        text.gauge("daybook_calls_in_flight", "Calls of apps under way.", load.callsInFlight)
        text.gauge("daybook_functions", "Functions that are registered.", functions.count { !$0.isRemoved })
        text.gauge("daybook_functions_paused", "Functions that are paused.", functions.count { $0.isPaused })
        text.gauge(
            "daybook_held_events", "Events that debounces and batches hold.",
            functions.reduce(0) { $0 + $1.heldEvents })
        text.gauge("daybook_storage_full", "1 while new work is refused for want of room.", isStorageFull ? 1 : 0)
        text.gauge("daybook_epoch", "How often the data directory was opened.", Int(node.journal.report.epoch))
        if let apps {
            text.begin("daybook_app_connected", "gauge", "1 for an app that answered when it was last asked.")
            for app in await apps.apps() where !app.name.isEmpty {
                text.value("daybook_app_connected", [("app", app.name)], app.connection == .connected ? 1 : 0)
            }
        }
        text.begin("daybook_http_requests_total", "counter", "Requests answered, by route and status.")
        let requests = metrics.counts.map { key, count in
            let route = key.route.map { routes.routes[$0] }
            return (route?.method.rawValue ?? "", route?.path ?? "", key.status, count)
        }
        for (method, path, status, count) in requests.sorted(by: { ($0.1, $0.0, $0.2) < ($1.1, $1.0, $1.2) }) {
            text.value(
                "daybook_http_requests_total", [("method", method), ("route", path), ("status", "\(status)")], count)
        }
        return Response(
            status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: text.bytes)))
    }
}

/// The text format of Prometheus.
struct MetricsText {
    private(set) var bytes: [UInt8] = []

    mutating func counter(_ name: String, _ help: String, _ value: Int) {
        begin(name, "counter", help)
        self.value(name, [], value)
    }

    mutating func gauge(_ name: String, _ help: String, _ value: Int) {
        begin(name, "gauge", help)
        self.value(name, [], value)
    }

    mutating func begin(_ name: String, _ type: String, _ help: String) {
        bytes.append(contentsOf: "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n".utf8)
    }

    /// The buckets of a histogram in seconds, with their sum and count.
    mutating func histogram(_ name: String, _ labels: [(name: String, value: String)], _ histogram: LatencyHistogram) {
        var count = 0
        for (bound, bucket) in zip(LatencyHistogram.bounds, histogram.buckets) {
            count += bucket
            value("\(name)_bucket", labels + [("le", Self.seconds(bound))], count)
        }
        value("\(name)_bucket", labels + [("le", "+Inf")], histogram.count)
        begin(value: "\(name)_sum", labels)
        bytes.append(contentsOf: "\(Self.seconds(histogram.sum))\n".utf8)
        value("\(name)_count", labels, histogram.count)
    }

    /// Such as `0.000064`.
    private static func seconds(_ microseconds: UInt64) -> String {
        let fraction = String(1_000_000 + microseconds % 1_000_000).dropFirst()
        return "\(microseconds / 1_000_000).\(fraction)"
    }

    mutating func value(_ name: String, _ labels: [(name: String, value: String)], _ value: Int) {
        begin(value: name, labels)
        bytes.append(contentsOf: "\(value)\n".utf8)
    }

    private mutating func begin(value name: String, _ labels: [(name: String, value: String)]) {
        bytes.append(contentsOf: name.utf8)
        if !labels.isEmpty {
            bytes.append(UInt8(ascii: "{"))
            for (index, label) in labels.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                bytes.append(contentsOf: "\(label.name)=\"".utf8)
                for byte in label.value.utf8 {
                    switch byte {
                    case UInt8(ascii: "\\"), UInt8(ascii: "\""): bytes.append(contentsOf: [UInt8(ascii: "\\"), byte])
                    case UInt8(ascii: "\n"): bytes.append(contentsOf: "\\n".utf8)
                    default: bytes.append(byte)
                    }
                }
                bytes.append(UInt8(ascii: "\""))
            }
            bytes.append(UInt8(ascii: "}"))
        }
        bytes.append(UInt8(ascii: " "))
    }
}
