/// What the server answers, as OpenAPI 3.1: served at `/api/openapi.json`. Kept by hand; a test compares it with the
/// routes, and answers with what it says of them.
let openAPIDescription: [UInt8] = Array(openAPIText.utf8)

// swift-format-ignore
private let openAPIText = #"""
{
  "openapi": "3.1.0",
  "info": {
    "title": "Daybook",
    "version": "1",
    "description": "What a Daybook server answers. /api is for people and their scripts; /e, /invoke, /fn, /dev, /v0 and /v1 are what Inngest SDKs call. On TCP, everything but /health and /e needs the signing key as a bearer when the server has one; without keys, only this machine and the names given with --allow-host are answered. On the Unix socket of the data directory nothing is asked. Bodies are JSON, not compressed, and at most 32 MiB."
  },
  "security": [{"signingKey": []}, {}],
  "paths": {
    "/e/{key}": {
      "parameters": [{"name": "key", "in": "path", "required": true, "description": "An event key; anything when the server has none.", "schema": {"type": "string"}}],
      "post": {
        "summary": "Send one event or up to 5,000, all or none; answered once they are on disk",
        "security": [],
        "parameters": [
          {"name": "X-Inngest-Event-Id-Seed", "in": "header", "description": "MILLISECONDS,BASE64 of 10 bytes: a repeated request has the same ids and starts nothing twice.", "schema": {"type": "string"}},
          {"$ref": "#/components/parameters/outcomes"}
        ],
        "requestBody": {"$ref": "#/components/requestBodies/events"},
        "responses": {"200": {"$ref": "#/components/responses/received"}, "400": {"$ref": "#/components/responses/notReceived"}, "401": {"$ref": "#/components/responses/notReceived"}, "413": {"$ref": "#/components/responses/notReceived"}, "503": {"$ref": "#/components/responses/notReceived"}, "507": {"$ref": "#/components/responses/notReceived"}}
      }
    },
    "/health": {
      "get": {"summary": "Whether the server answers", "security": [], "responses": {"200": {"description": "It does.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Health"}}}}}}
    },
    "/metrics": {
      "get": {"summary": "Counters and gauges for Prometheus", "responses": {"200": {"description": "Text format 0.0.4.", "content": {"text/plain": {"schema": {"type": "string"}}}}, "401": {"$ref": "#/components/responses/unauthorized"}}}
    },
    "/invoke/{slug}": {
      "parameters": [{"name": "slug", "in": "path", "required": true, "description": "The function's id.", "schema": {"type": "string"}}],
      "post": {
        "summary": "Start a run of a function, as SDK tools do; see /api/functions/{id}/invoke",
        "requestBody": {"$ref": "#/components/requestBodies/invocation"},
        "responses": {"200": {"description": "The event that does it.", "content": {"application/json": {"schema": {"type": "object", "required": ["id", "status"], "properties": {"id": {"type": "string"}, "status": {"type": "integer"}}}}}}, "400": {"$ref": "#/components/responses/sdkError"}, "404": {"$ref": "#/components/responses/sdkError"}}
      }
    },
    "/fn/register": {
      "post": {
        "summary": "An app states its functions",
        "parameters": [{"name": "X-Inngest-Expected-Server-Kind", "in": "header", "schema": {"enum": ["dev", "cloud"]}}],
        "requestBody": {"required": true, "content": {"application/json": {"schema": {"type": "object"}}}},
        "responses": {"200": {"description": "Registered.", "content": {"application/json": {"schema": {"type": "object", "required": ["ok", "modified", "sync_id", "app_id"], "properties": {"ok": {"type": "boolean"}, "modified": {"type": "boolean"}, "sync_id": {"type": "string"}, "app_id": {"type": "string"}}}}}}, "400": {"$ref": "#/components/responses/sdkError"}, "401": {"$ref": "#/components/responses/unauthorized"}}
      }
    },
    "/fn/remove": {
      "delete": {"summary": "Forget the app at a URL", "parameters": [{"name": "url", "in": "query", "required": true, "schema": {"type": "string"}}], "responses": {"200": {"description": "Forgotten."}, "404": {"$ref": "#/components/responses/sdkError"}}}
    },
    "/dev": {
      "get": {"summary": "What kind of server this is, for SDKs", "responses": {"200": {"description": "Functions and apps.", "content": {"application/json": {"schema": {"type": "object", "required": ["version", "authed", "startOpts", "functions", "handlers", "isSingleNodeService", "isMissingSigningKey", "isMissingEventKeys", "features"]}}}}, "401": {"$ref": "#/components/responses/unauthorized"}}}
    },
    "/v0/runs/{id}": {
      "parameters": [{"$ref": "#/components/parameters/run"}],
      "delete": {"summary": "Cancel a run, the older way", "responses": {"204": {"description": "Cancelled."}, "404": {"$ref": "#/components/responses/sdkError"}, "409": {"$ref": "#/components/responses/sdkError"}}}
    },
    "/v0/runs/{id}/actions": {
      "parameters": [{"$ref": "#/components/parameters/run"}],
      "get": {"summary": "The results of a run's steps, by hashed id", "responses": {"200": {"description": "As `steps` of a call.", "content": {"application/json": {"schema": {"type": "object"}}}}, "400": {"$ref": "#/components/responses/sdkError"}, "410": {"$ref": "#/components/responses/sdkError"}}}
    },
    "/v0/runs/{id}/batch": {
      "parameters": [{"$ref": "#/components/parameters/run"}],
      "get": {"summary": "The events of a run", "responses": {"200": {"description": "As `events` of a call.", "content": {"application/json": {"schema": {"type": "array"}}}}, "400": {"$ref": "#/components/responses/sdkError"}, "410": {"$ref": "#/components/responses/sdkError"}}}
    },
    "/v0/telemetry": {
      "post": {"summary": "Accepted and dropped", "requestBody": {"content": {"application/json": {"schema": {}}}}, "responses": {"200": {"description": "Dropped."}}}
    },
    "/v1/events": {
      "get": {
        "summary": "Events from outside, newest first",
        "parameters": [
          {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}},
          {"name": "cursor", "in": "query", "description": "The internal id of the last event of a page.", "schema": {"type": "string"}},
          {"name": "name", "in": "query", "schema": {"type": "string"}},
          {"name": "received_after", "in": "query", "schema": {"type": "string", "format": "date-time"}},
          {"name": "received_before", "in": "query", "schema": {"type": "string", "format": "date-time"}}
        ],
        "responses": {"200": {"description": "Events.", "content": {"application/json": {"schema": {"type": "object", "required": ["data", "metadata"], "properties": {"data": {"type": "array", "items": {"$ref": "#/components/schemas/SDKEvent"}}}}}}}, "400": {"$ref": "#/components/responses/sdkError"}}
      }
    },
    "/v1/events/{id}": {
      "parameters": [{"$ref": "#/components/parameters/event"}],
      "get": {"summary": "One event", "responses": {"200": {"description": "It.", "content": {"application/json": {"schema": {"type": "object", "required": ["data", "metadata"], "properties": {"data": {"$ref": "#/components/schemas/SDKEvent"}}}}}}, "400": {"$ref": "#/components/responses/sdkError"}, "404": {"$ref": "#/components/responses/sdkError"}}}
    },
    "/v1/events/{id}/runs": {
      "parameters": [{"$ref": "#/components/parameters/event"}],
      "get": {"summary": "The runs that an event started", "responses": {"200": {"description": "Runs.", "content": {"application/json": {"schema": {"type": "object", "required": ["data", "metadata"], "properties": {"data": {"type": "array", "items": {"$ref": "#/components/schemas/SDKRun"}}}}}}}, "404": {"$ref": "#/components/responses/sdkError"}}}
    },
    "/v1/runs/{id}": {
      "parameters": [{"$ref": "#/components/parameters/run"}],
      "get": {"summary": "One run", "responses": {"200": {"description": "It.", "content": {"application/json": {"schema": {"type": "object", "required": ["data", "metadata"], "properties": {"data": {"$ref": "#/components/schemas/SDKRun"}}}}}}, "400": {"$ref": "#/components/responses/sdkError"}, "404": {"$ref": "#/components/responses/sdkError"}}},
      "delete": {"summary": "Cancel a run; one that has ended stays as it is", "responses": {"200": {"description": "Cancelled, or ended before."}, "404": {"$ref": "#/components/responses/sdkError"}}}
    },
    "/v1/runs/{id}/jobs": {
      "parameters": [{"$ref": "#/components/parameters/run"}],
      "get": {"summary": "What a run is going to do", "responses": {"200": {"description": "Jobs.", "content": {"application/json": {"schema": {"type": "object", "required": ["data", "metadata"], "properties": {"data": {"type": "array", "items": {"$ref": "#/components/schemas/Job"}}}}}}}}}
    },
    "/v1/runs/{id}/metadata": {
      "parameters": [{"$ref": "#/components/parameters/run"}],
      "post": {"summary": "Facts about a step; checked and dropped", "requestBody": {"required": true, "content": {"application/json": {"schema": {"type": "object", "required": ["target"]}}}}, "responses": {"200": {"description": "Dropped."}, "400": {"$ref": "#/components/responses/sdkError"}, "403": {"$ref": "#/components/responses/sdkError"}, "413": {"$ref": "#/components/responses/sdkError"}}}
    },
    "/v1/apps/{app}/functions": {
      "parameters": [{"name": "app", "in": "path", "required": true, "schema": {"type": "string"}}],
      "get": {"summary": "The functions of an app", "responses": {"200": {"description": "An array of its own; empty for an unknown app.", "content": {"application/json": {"schema": {"type": "array", "items": {"type": "object", "required": ["id", "slug", "name", "triggers"]}}}}}}}
    },
    "/v1/cancellations": {
      "post": {
        "summary": "Cancel the unfinished runs of a function that were queued in a span of time",
        "requestBody": {"required": true, "content": {"application/json": {"schema": {"type": "object", "required": ["app_id", "function_id", "started_before"], "properties": {"app_id": {"type": "string"}, "function_id": {"type": "string"}, "started_after": {"type": "string", "format": "date-time"}, "started_before": {"type": "string", "format": "date-time"}, "if": {"type": "string", "description": "An expression over `event`."}}}}}},
        "responses": {"200": {"description": "Under way.", "content": {"application/json": {"schema": {"type": "object", "required": ["data"], "properties": {"data": {"$ref": "#/components/schemas/Cancellation"}}}}}}, "400": {"$ref": "#/components/responses/sdkError"}, "404": {"$ref": "#/components/responses/sdkError"}}
      },
      "get": {"summary": "The last 100 of this process", "responses": {"200": {"description": "Newest first.", "content": {"application/json": {"schema": {"type": "object", "required": ["data"], "properties": {"data": {"type": "array", "items": {"$ref": "#/components/schemas/Cancellation"}}}}}}}}}
    },
    "/v1/cancellations/{id}": {
      "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
      "delete": {"summary": "Stop one that is under way; what it has cancelled stays so", "responses": {"200": {"description": "Stopped."}, "404": {"$ref": "#/components/responses/sdkError"}}}
    },
    "/v1/signals": {
      "post": {
        "summary": "Hand a signal to the run that waits for it",
        "requestBody": {"$ref": "#/components/requestBodies/signal"},
        "responses": {"200": {"$ref": "#/components/responses/signalled"}, "400": {"$ref": "#/components/responses/sdkError"}, "404": {"$ref": "#/components/responses/sdkError"}}
      }
    },
    "/v1/checkpoint/{id}/async": {
      "parameters": [{"$ref": "#/components/parameters/run"}],
      "post": {
        "summary": "Steps that a call under way has finished",
        "requestBody": {"required": true, "content": {"application/json": {"schema": {"type": "object", "properties": {"run_id": {"type": "string"}, "request_id": {"type": "string"}, "steps": {"type": "array"}}}}}},
        "responses": {"200": {"description": "All of them are on disk."}, "400": {"$ref": "#/components/responses/sdkError"}, "409": {"$ref": "#/components/responses/sdkError"}, "413": {"$ref": "#/components/responses/sdkError"}}
      }
    },
    "/v1/traces/userland": {
      "post": {"summary": "Accepted and dropped", "requestBody": {"content": {"application/x-protobuf": {"schema": {}}, "application/json": {"schema": {}}}}, "responses": {"200": {"description": "Dropped."}}}
    },
    "/api/openapi.json": {
      "get": {"summary": "This description", "responses": {"200": {"description": "OpenAPI 3.1.", "content": {"application/json": {"schema": {"type": "object", "required": ["openapi", "info", "paths"]}}}}}}
    },
    "/api/health": {
      "get": {"summary": "As /health", "responses": {"200": {"description": "It answers.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Health"}}}}}}
    },
    "/api/runs": {
      "get": {
        "summary": "Runs, newest first",
        "parameters": [
          {"name": "status", "in": "query", "description": "One or several of queued, running, completed, failed, cancelled, quarantined, with commas.", "schema": {"type": "string"}},
          {"name": "function", "in": "query", "schema": {"type": "string"}},
          {"name": "since", "in": "query", "schema": {"type": "string", "format": "date-time"}},
          {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 400, "default": 100}},
          {"$ref": "#/components/parameters/cursor"}
        ],
        "responses": {"200": {"description": "A page.", "content": {"application/json": {"schema": {"type": "object", "required": ["data"], "properties": {"data": {"type": "array", "items": {"$ref": "#/components/schemas/RunRow"}}, "cursor": {"type": "string"}}}}}}, "400": {"$ref": "#/components/responses/error"}}
      }
    },
    "/api/runs/{id}": {
      "parameters": [{"$ref": "#/components/parameters/runPart"}],
      "get": {"summary": "One run with its steps", "parameters": [{"$ref": "#/components/parameters/wait"}], "responses": {"200": {"description": "It.", "content": {"application/json": {"schema": {"type": "object", "required": ["data"], "properties": {"data": {"$ref": "#/components/schemas/Run"}}}}}}, "404": {"$ref": "#/components/responses/error"}, "409": {"$ref": "#/components/responses/error"}}}
    },
    "/api/runs/{id}/cancel": {
      "parameters": [{"$ref": "#/components/parameters/runPart"}],
      "post": {"summary": "Cancel a run; one that has ended stays as it is", "responses": {"200": {"description": "What became of it.", "content": {"application/json": {"schema": {"type": "object", "required": ["id", "cancelled", "status"], "properties": {"id": {"type": "string"}, "cancelled": {"type": "boolean"}, "status": {"$ref": "#/components/schemas/Status"}}}}}}, "404": {"$ref": "#/components/responses/error"}}}
    },
    "/api/runs/{id}/retry": {
      "parameters": [{"$ref": "#/components/parameters/runPart"}],
      "post": {"summary": "Run an ended run again, as a new run", "parameters": [{"$ref": "#/components/parameters/wait"}], "requestBody": {"content": {"application/json": {"schema": {"type": "object", "properties": {"from": {"type": ["string", "null"], "description": "A step: what came before it is kept."}}}}}}, "responses": {"200": {"description": "The new run.", "content": {"application/json": {"schema": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}}}}, "404": {"$ref": "#/components/responses/error"}, "409": {"$ref": "#/components/responses/error"}}}
    },
    "/api/runs/{id}/jobs": {
      "parameters": [{"$ref": "#/components/parameters/runPart"}],
      "get": {"summary": "What a run is going to do", "responses": {"200": {"description": "Jobs; none for a run that has ended.", "content": {"application/json": {"schema": {"type": "object", "required": ["data"], "properties": {"data": {"type": "array", "items": {"$ref": "#/components/schemas/Job"}}}}}}}, "404": {"$ref": "#/components/responses/error"}}}
    },
    "/api/events": {
      "get": {
        "summary": "Events, newest first",
        "parameters": [
          {"name": "name", "in": "query", "schema": {"type": "string"}},
          {"name": "since", "in": "query", "schema": {"type": "string", "format": "date-time"}},
          {"name": "until", "in": "query", "schema": {"type": "string", "format": "date-time"}},
          {"name": "internal", "in": "query", "description": "true: with those that Daybook itself has sent.", "schema": {"type": "boolean", "default": false}},
          {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}},
          {"$ref": "#/components/parameters/cursor"}
        ],
        "responses": {"200": {"description": "A page; it may be short, or empty, before the end of the list: `cursor` tells.", "content": {"application/json": {"schema": {"type": "object", "required": ["data"], "properties": {"data": {"type": "array", "items": {"$ref": "#/components/schemas/Event"}}, "cursor": {"type": "string"}}}}}}, "400": {"$ref": "#/components/responses/error"}}
      },
      "post": {
        "summary": "Send events, as /e does",
        "parameters": [{"$ref": "#/components/parameters/outcomes"}],
        "requestBody": {"$ref": "#/components/requestBodies/events"},
        "responses": {"200": {"$ref": "#/components/responses/received"}, "400": {"$ref": "#/components/responses/notReceived"}}
      }
    },
    "/api/events/{id}": {
      "parameters": [{"$ref": "#/components/parameters/event"}],
      "get": {"summary": "One event, and what came of it", "responses": {"200": {"description": "It.", "content": {"application/json": {"schema": {"type": "object", "required": ["data"], "properties": {"data": {"$ref": "#/components/schemas/Event"}}}}}}, "404": {"$ref": "#/components/responses/error"}}}
    },
    "/api/events/{id}/runs": {
      "parameters": [{"$ref": "#/components/parameters/event"}],
      "get": {"summary": "The runs that an event started, at once or out of a debounce or batch that held it (looked for among the newest 400 of the function)", "parameters": [{"$ref": "#/components/parameters/wait"}], "responses": {"200": {"description": "Runs with their steps.", "content": {"application/json": {"schema": {"type": "object", "required": ["data"], "properties": {"data": {"type": "array", "items": {"$ref": "#/components/schemas/Run"}}}}}}}, "404": {"$ref": "#/components/responses/error"}}}
    },
    "/api/functions": {
      "get": {"summary": "Functions that are registered, or were", "responses": {"200": {"description": "All of them.", "content": {"application/json": {"schema": {"type": "object", "required": ["data"], "properties": {"data": {"type": "array", "items": {"$ref": "#/components/schemas/Function"}}}}}}}}}
    },
    "/api/functions/{id}": {
      "parameters": [{"$ref": "#/components/parameters/function"}],
      "get": {"summary": "One function", "responses": {"200": {"description": "It.", "content": {"application/json": {"schema": {"type": "object", "required": ["data"], "properties": {"data": {"$ref": "#/components/schemas/Function"}}}}}}, "404": {"$ref": "#/components/responses/error"}, "409": {"$ref": "#/components/responses/error"}}}
    },
    "/api/functions/{id}/pause": {
      "parameters": [{"$ref": "#/components/parameters/function"}],
      "post": {"summary": "New events start no run, and runs stand still", "responses": {"200": {"$ref": "#/components/responses/paused"}, "404": {"$ref": "#/components/responses/error"}}}
    },
    "/api/functions/{id}/resume": {
      "parameters": [{"$ref": "#/components/parameters/function"}],
      "post": {"summary": "Let a paused function go on", "responses": {"200": {"$ref": "#/components/responses/paused"}, "404": {"$ref": "#/components/responses/error"}}}
    },
    "/api/functions/{id}/invoke": {
      "parameters": [{"$ref": "#/components/parameters/function"}],
      "post": {
        "summary": "Start a run of a function, whatever its triggers are",
        "parameters": [{"$ref": "#/components/parameters/wait"}],
        "requestBody": {"$ref": "#/components/requestBodies/invocation"},
        "responses": {"200": {"description": "The event, and the run it started; with `wait`, the run itself.", "content": {"application/json": {"schema": {"type": "object", "required": ["data"], "properties": {"data": {"type": "object", "required": ["event"], "properties": {"event": {"type": "string"}, "run": {"type": "string"}, "outcome": {"type": "object", "description": "Why there is no run."}, "detail": {"$ref": "#/components/schemas/Run"}}}}}}}}, "400": {"$ref": "#/components/responses/error"}, "404": {"$ref": "#/components/responses/error"}}
      }
    },
    "/api/apps": {
      "get": {"summary": "Apps: those behind HTTP, and this program's own", "responses": {"200": {"description": "All of them.", "content": {"application/json": {"schema": {"type": "object", "required": ["data"], "properties": {"data": {"type": "array", "items": {"$ref": "#/components/schemas/App"}}}}}}}}},
      "post": {"summary": "Ask the app at a URL to register, now", "requestBody": {"required": true, "content": {"application/json": {"schema": {"type": "object", "required": ["url"], "properties": {"url": {"type": "string"}}}}}}, "responses": {"200": {"description": "It did."}, "400": {"$ref": "#/components/responses/error"}, "404": {"$ref": "#/components/responses/error"}, "502": {"$ref": "#/components/responses/error"}}}
    },
    "/api/apps/{id}": {
      "parameters": [{"$ref": "#/components/parameters/app"}],
      "get": {"summary": "One app", "responses": {"200": {"description": "It.", "content": {"application/json": {"schema": {"type": "object", "required": ["data"], "properties": {"data": {"$ref": "#/components/schemas/App"}}}}}}, "404": {"$ref": "#/components/responses/error"}}},
      "delete": {"summary": "Forget an app; its runs under way go on at its last URL", "responses": {"200": {"description": "Forgotten."}, "404": {"$ref": "#/components/responses/error"}}}
    },
    "/api/apps/{id}/sync": {
      "parameters": [{"$ref": "#/components/parameters/app"}],
      "post": {"summary": "Ask an app to register again, now", "responses": {"200": {"description": "It did."}, "404": {"$ref": "#/components/responses/error"}, "502": {"$ref": "#/components/responses/error"}}}
    },
    "/api/cancellations": {
      "post": {
        "summary": "Cancel many runs of a function, and watch it happen",
        "requestBody": {"required": true, "content": {"application/json": {"schema": {"type": "object", "required": ["function"], "properties": {"function": {"type": "string"}, "queuedAfter": {"type": "string", "format": "date-time"}, "queuedBefore": {"type": "string", "format": "date-time"}, "if": {"type": "string", "description": "An expression over `event`."}, "dryRun": {"type": "boolean"}}}}}},
        "responses": {"200": {"description": "One object a line; the last has `done`, or `error` where it had to stop. It stops when the reader leaves.", "content": {"application/x-ndjson": {"schema": {"type": "string"}}}}, "400": {"$ref": "#/components/responses/error"}, "404": {"$ref": "#/components/responses/error"}}
      }
    },
    "/api/signals": {
      "post": {
        "summary": "Hand a signal to the run that waits for it",
        "requestBody": {"$ref": "#/components/requestBodies/signal"},
        "responses": {"200": {"$ref": "#/components/responses/signalled"}, "400": {"$ref": "#/components/responses/error"}, "404": {"$ref": "#/components/responses/error"}}
      }
    },
    "/api/cron": {
      "get": {"summary": "The next ticks of all schedules", "parameters": [{"name": "count", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 10}}], "responses": {"200": {"description": "Ticks, the next one first.", "content": {"application/json": {"schema": {"type": "object", "required": ["data"], "properties": {"data": {"type": "array", "items": {"type": "object", "required": ["at", "function"]}}}}}}}}}
    },
    "/api/stream": {
      "get": {
        "summary": "What happens from now on, as server-sent events",
        "description": "The event's name is the record's kind, its id the record's number, its data the record as the journal has it. A reader for which more than 4 MiB wait is cut off with a comment; so is everybody when the server ends. A comment is sent every 15 seconds of silence.",
        "parameters": [
          {"name": "run", "in": "query", "schema": {"type": "string"}},
          {"name": "function", "in": "query", "description": "Only records of its runs.", "schema": {"type": "string"}},
          {"name": "kinds", "in": "query", "description": "Kinds such as run.completed, or run for all of them, with commas.", "schema": {"type": "string"}}
        ],
        "responses": {"200": {"description": "Until the reader leaves or the server ends.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}, "404": {"$ref": "#/components/responses/error"}, "503": {"$ref": "#/components/responses/error"}}
      }
    },
    "/api/tail": {
      "get": {"summary": "Every record from now on, as lines of the journal", "responses": {"200": {"description": "One object a line. A reader that is too slow is told how many batches it has missed.", "content": {"application/x-ndjson": {"schema": {"type": "string"}}}}}}
    },
    "/api/clock": {
      "post": {"summary": "Move the clock forward, in dev mode", "requestBody": {"required": true, "content": {"application/json": {"schema": {"type": "object", "required": ["advance"], "properties": {"advance": {"type": "integer", "description": "Milliseconds.", "minimum": 1}}}}}}, "responses": {"200": {"description": "Where it stands.", "content": {"application/json": {"schema": {"type": "object", "required": ["now", "offsetMilliseconds"], "properties": {"now": {"type": "string"}, "offsetMilliseconds": {"type": "integer"}}}}}}, "403": {"$ref": "#/components/responses/error"}}}
    }
  },
  "components": {
    "securitySchemes": {"signingKey": {"type": "http", "scheme": "bearer", "description": "The signing key as it is, or the hash that SDKs send."}},
    "parameters": {
      "run": {"name": "id", "in": "path", "required": true, "description": "A run's id.", "schema": {"type": "string"}},
      "runPart": {"name": "id", "in": "path", "required": true, "description": "A run's id, or four characters or more of its beginning or end.", "schema": {"type": "string"}},
      "event": {"name": "id", "in": "path", "required": true, "description": "An event's internal id, as sending it was answered.", "schema": {"type": "string"}},
      "function": {"name": "id", "in": "path", "required": true, "description": "APP-FUNCTION, or the function's id within its app where no other app has it.", "schema": {"type": "string"}},
      "app": {"name": "id", "in": "path", "required": true, "description": "An app's name.", "schema": {"type": "string"}},
      "cursor": {"name": "cursor", "in": "query", "description": "Where the last page ended.", "schema": {"type": "string"}},
      "wait": {"name": "wait", "in": "query", "description": "Answer once it has ended, or when this time is over: 30s, at most 5m.", "schema": {"type": "string", "default": "0s"}},
      "outcomes": {"name": "outcomes", "in": "query", "description": "true: say what came of each event.", "schema": {"type": "boolean", "default": false}}
    },
    "requestBodies": {
      "events": {"required": true, "content": {"application/json": {"schema": {"oneOf": [{"$ref": "#/components/schemas/NewEvent"}, {"type": "array", "maxItems": 5000, "items": {"$ref": "#/components/schemas/NewEvent"}}]}}}},
      "invocation": {"content": {"application/json": {"schema": {"type": "object", "properties": {"data": {"type": "object"}, "user": {"type": "object"}, "v": {"type": "string"}, "idempotencyKey": {"type": "string", "description": "A second invocation with it starts nothing for 24 hours. Only at /api."}}}}}},
      "signal": {"required": true, "content": {"application/json": {"schema": {"type": "object", "required": ["signal"], "properties": {"signal": {"type": "string"}, "data": {}}}}}}
    },
    "responses": {
      "received": {"description": "All of them are on disk.", "content": {"application/json": {"schema": {"type": "object", "required": ["ids", "status"], "properties": {"ids": {"type": "array", "items": {"type": "string"}}, "status": {"const": 200}, "outcomes": {"type": "array"}}}}}},
      "notReceived": {"description": "None of them was taken.", "content": {"application/json": {"schema": {"type": "object", "required": ["ids", "status", "error"], "properties": {"ids": {"type": "array", "maxItems": 0}, "status": {"type": "integer"}, "error": {"type": "string"}}}}}},
      "signalled": {"description": "The run that has it now.", "content": {"application/json": {"schema": {"type": "object", "required": ["data"], "properties": {"data": {"type": "object", "required": ["run_id"]}}}}}},
      "paused": {"description": "How it stands now.", "content": {"application/json": {"schema": {"type": "object", "required": ["id", "paused", "changed", "unfinishedRuns"]}}}},
      "unauthorized": {"description": "The signing key is missing or wrong.", "content": {"text/plain": {"schema": {"const": "Authentication failed"}}}},
      "error": {"description": "Why not.", "content": {"application/json": {"schema": {"type": "object", "required": ["error", "status"], "properties": {"error": {"type": "string"}, "status": {"type": "integer"}}}}}},
      "sdkError": {"description": "Why not.", "content": {"application/json": {"schema": {"type": "object", "required": ["error", "data", "status"], "properties": {"error": {"type": "string"}, "data": {}, "status": {"type": "integer"}}}}}}
    },
    "schemas": {
      "Status": {"enum": ["queued", "running", "completed", "failed", "cancelled", "quarantined"]},
      "NewEvent": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "data": {"type": ["object", "null"]}, "id": {"type": "string"}, "ts": {"type": "integer"}, "user": {"type": "object"}, "v": {"type": "string"}}},
      "Health": {"type": "object", "required": ["status", "message", "version", "mode", "storage"], "properties": {"status": {"const": 200}, "message": {"const": "OK"}, "version": {"type": "string"}, "mode": {"enum": ["dev", "serve"]}, "storage": {"enum": ["ok", "full"]}}},
      "Event": {"type": "object", "required": ["id", "name", "receivedAt", "ts", "runs", "event"], "properties": {"id": {"type": "string"}, "name": {"type": "string"}, "runs": {"type": "array", "items": {"type": "string"}}, "event": {"type": "object"}}},
      "RunRow": {"type": "object", "required": ["id", "function", "status", "queuedAt", "steps"], "properties": {"id": {"type": "string"}, "function": {"type": "string"}, "status": {"$ref": "#/components/schemas/Status"}, "queuedAt": {"type": "string"}, "steps": {"type": "integer"}}},
      "Run": {"type": "object", "required": ["id", "function", "status", "queuedAt", "steps"], "properties": {"id": {"type": "string"}, "function": {"type": "string"}, "status": {"$ref": "#/components/schemas/Status"}, "queuedAt": {"type": "string"}, "steps": {"type": "array"}}},
      "Job": {"type": "object", "required": ["kind", "attempt"], "properties": {"kind": {"enum": ["start", "continue", "retry", "sleep", "wait", "invoke", "signal"]}, "step": {"type": "string"}, "at": {"type": "string"}, "attempt": {"type": "integer"}}},
      "Function": {"type": "object", "required": ["id", "app", "name", "triggers", "retries", "unfinishedRuns"], "properties": {"id": {"type": "string"}, "triggers": {"type": "array"}}},
      "App": {"type": "object", "required": ["name", "functions", "kind"], "properties": {"name": {"type": "string"}, "functions": {"type": "integer"}, "kind": {"enum": ["in-process", "http"]}}},
      "Cancellation": {"type": "object", "required": ["id", "app_id", "function_id", "started_before", "status", "cancelled"]},
      "SDKEvent": {"type": "object", "required": ["internal_id", "id", "name", "data", "ts", "received_at", "account_id", "environment_id", "source", "source_id"]},
      "SDKRun": {"type": "object", "required": ["run_id", "run_started_at", "ended_at", "function_id", "function_version", "environment_id", "event_id", "status", "output"]}
    }
  }
}
"""#
