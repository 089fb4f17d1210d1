import DaybookSimulator

#if DAYBOOK_LIBFUZZER
    #if canImport(Glibc)
        import Glibc
    #elseif canImport(Musl)
        import Musl
    #elseif canImport(Darwin)
        import Darwin
    #endif

    @_silgen_name("LLVMFuzzerRunDriver")
    private func runDriver(
        _ count: UnsafeMutablePointer<CInt>,
        _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
        _ run: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
    ) -> CInt

    @_silgen_name("LLVMFuzzerMutate")
    private func mutate(_ bytes: UnsafeMutablePointer<UInt8>?, _ count: Int, _ countMax: Int) -> Int

    /// Half of the inputs are made by libFuzzer's own mutations, half by ours, which know lines and numbers.
    @_cdecl("LLVMFuzzerCustomMutator")
    public func customMutator(
        _ bytes: UnsafeMutablePointer<UInt8>?, _ count: Int, _ countMax: Int, _ seed: CUnsignedInt
    ) -> Int {
        guard let bytes, let target = Guided.target, seed % 2 == 0 else { return mutate(bytes, count, countMax) }
        var mutator = Mutator(seed: UInt64(seed))
        let input = Array(UnsafeBufferPointer(start: bytes, count: count))
        let mutated = mutator.input(from: [input], tokens: target.tokens, bytesMax: min(countMax, target.bytesMax))
        bytes.update(from: mutated, count: mutated.count)
        return mutated.count
    }

    /// libFuzzer, which is guided by the code that an input reaches.
    enum Guided {
        // Set once, before the first input.
        nonisolated(unsafe) static var target: FuzzTarget?

        static func run(_ target: FuzzTarget) -> Never {
            self.target = target
            // libFuzzer reads the options behind our own two words.
            var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv + 2
            arguments?[0] = CommandLine.unsafeArgv[0]
            var count = CommandLine.argc - 2
            let code = runDriver(&count, &arguments) { start, count in
                let input = Array(UnsafeBufferPointer(start: start, count: count))
                do {
                    try Guided.target?.run(input)
                } catch {
                    DaybookFuzz.say("violated: \(error)\n")
                    abort()
                }
                return 0
            }
            exit(code)
        }
    }
#else
    enum Guided {
        static func run(_ target: FuzzTarget) -> Never {
            DaybookFuzz.fail("libFuzzer is not built in; `scripts/fuzz \(target.name)` does that where it can\n")
        }
    }
#endif
