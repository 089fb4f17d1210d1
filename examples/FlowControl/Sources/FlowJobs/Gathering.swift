import Daybook

// Knobs that make one run of many events.

struct DocumentEdited: Event {
    static let name = "document/edited"
    var document: String, version: Int
}

struct PageViewed: Event {
    static let name = "page/viewed"
    var page: String
}

extension FlowJobs {
    /// Debounce: a document is indexed once it has been left alone for five seconds, with its last version; after half
    /// a minute of edits all the same.
    var index: any FunctionDefinition {
        DurableFunction(
            "index", on: DocumentEdited.self,
            .debounce(for: .seconds(5), timeout: .seconds(30), key: .field("document"))
        ) { edit, step in
            try await step.run("index") { "\(edit.document), version \(edit.version)" }
        }
    }

    /// Batch: five views at once, or as many as there are ten seconds after the first.
    var storeViews: any FunctionDefinition {
        DurableFunction("store-views", batchesOf: PageViewed.self, max: 5, within: .seconds(10)) { views, step in
            try await step.run("insert") { views.map(\.page) }
        }
    }
}
