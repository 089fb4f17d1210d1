import DaybookSystem
import Synchronization

/// Work on many numbered cases by several threads, each taking the next case when it is done with one.
final class Parallel: Sendable {
    private let next: Atomic<Int>
    private let done = Atomic<Int>(0)
    private let end: Int
    private let isStopped = Atomic<Bool>(false)

    /// - Parameter cases: their numbers.
    init(_ cases: Range<Int>) {
        next = Atomic(cases.lowerBound)
        end = cases.upperBound
    }

    var doneCount: Int { done.load(ordering: .relaxed) }

    /// No case is begun any more.
    func stop() {
        isStopped.store(true, ordering: .relaxed)
    }

    /// Returns when all cases are done.
    func run(threads: Int, _ body: @escaping @Sendable (_ number: Int) -> Void) {
        let workers = (0..<max(1, threads)).map { number in
            DedicatedThread(name: "torture-\(number)") { [self] in
                while !isStopped.load(ordering: .relaxed) {
                    let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
                    guard number < end else { return }
                    body(number)
                    done.wrappingAdd(1, ordering: .relaxed)
                }
            }
        }
        for worker in workers { worker.join() }
    }
}
