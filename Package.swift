// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
    // Switches for bugs that the simulator must find; see DeliberateBug.
    .define("DELIBERATE_BUGS", .when(configuration: .debug)),
]

let package = Package(
    name: "daybook",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "Daybook", targets: ["Daybook"]),
        .library(name: "DaybookCommands", targets: ["DaybookCommands"]),
        .library(name: "DaybookTesting", targets: ["DaybookTesting"]),
        .executable(name: "daybook", targets: ["DaybookCLI"]),
        .executable(name: "daybook-torture", targets: ["DaybookTorture"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0", traits: []),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"]), .brew(["zlib"])]),
        .target(name: "DaybookValues", swiftSettings: settings),
        // Expressions; for anybody who wants them, so without dependencies.
        .target(name: "DaybookCEL", swiftSettings: settings),
        .target(name: "DaybookCore", dependencies: ["DaybookCEL", "DaybookValues"], swiftSettings: settings),
        // What Inngest SDKs and servers say to each other, as values and bytes: no connections, no clock.
        .target(
            name: "DaybookWire",
            dependencies: ["DaybookCEL", "DaybookValues", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: settings),
        .target(name: "DaybookSystem", dependencies: ["DaybookValues"], swiftSettings: settings),
        .target(
            name: "DaybookJournal", dependencies: ["DaybookSystem", "DaybookValues", "CZlib"], swiftSettings: settings),
        .target(
            name: "Daybook",
            dependencies: ["DaybookValues", .product(name: "Logging", package: "swift-log")],
            swiftSettings: settings),
        .target(
            name: "DaybookNode",
            dependencies: [
                "Daybook", "DaybookCEL", "DaybookCore", "DaybookJournal", "DaybookSystem", "DaybookValues",
                "DaybookWire", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings),
        .target(
            name: "DaybookInbox",
            dependencies: [
                "DaybookCore", "DaybookSystem", "DaybookValues", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings),
        // The apps behind HTTP: how they register, how they are found and called.
        .target(
            name: "DaybookSDK",
            dependencies: [
                "CZlib", "DaybookCore", "DaybookNode", "DaybookSystem", "DaybookValues", "DaybookWire",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings),
        .target(
            name: "DaybookServer",
            dependencies: [
                "DaybookCore", "DaybookJournal", "DaybookNode", "DaybookSDK", "DaybookSystem", "DaybookValues",
                "DaybookWire",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings),
        .target(
            name: "DaybookCommands",
            dependencies: [
                "Daybook", "DaybookCEL", "DaybookCore", "DaybookInbox", "DaybookJournal", "DaybookNode", "DaybookSDK",
                "DaybookServer", "DaybookSystem", "DaybookValues", "DaybookWire",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings),
        .executableTarget(
            name: "DaybookCLI", dependencies: ["Daybook", "DaybookCommands"], swiftSettings: settings),
        .executableTarget(
            name: "DaybookBench",
            dependencies: [
                "Daybook", "DaybookCEL", "DaybookCore", "DaybookInbox", "DaybookJournal", "DaybookNode",
                "DaybookSystem", "DaybookValues", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings),
        .target(
            name: "DaybookFakes", dependencies: ["DaybookSystem", "DaybookValues"], swiftSettings: settings),
        .target(
            name: "DaybookTesting",
            dependencies: [
                "Daybook", "DaybookCore", "DaybookFakes", "DaybookJournal", "DaybookNode", "DaybookSystem",
                "DaybookValues", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings),
        // A world in which everything that can go wrong does, from one number; and the program that plays it.
        .target(
            name: "DaybookSimulator",
            dependencies: [
                "Daybook", "DaybookCEL", "DaybookCore", "DaybookFakes", "DaybookInbox", "DaybookJournal",
                "DaybookNode", "DaybookSystem", "DaybookTesting", "DaybookValues",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings),
        .executableTarget(
            name: "DaybookTorture",
            dependencies: [
                "DaybookSimulator", "DaybookSystem", "DaybookValues",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings),
        // What scripts/fuzz builds with libFuzzer.
        .executableTarget(
            name: "DaybookFuzz", dependencies: ["DaybookSimulator", "DaybookSystem", "DaybookValues"],
            swiftSettings: settings),
        .executableTarget(
            name: "KillTarget", dependencies: ["Daybook", "DaybookCommands"], path: "Tests/KillTarget",
            swiftSettings: settings),
        .testTarget(name: "DaybookValuesTests", dependencies: ["DaybookValues"], swiftSettings: settings),
        .testTarget(name: "DaybookCELTests", dependencies: ["DaybookCEL"], swiftSettings: settings),
        .testTarget(name: "DaybookWireTests", dependencies: ["DaybookValues", "DaybookWire"], swiftSettings: settings),
        .testTarget(
            name: "DaybookSDKTests",
            dependencies: [
                "Daybook", "DaybookCore", "DaybookFakes", "DaybookJournal", "DaybookNode", "DaybookSDK",
                "DaybookSystem",
                "DaybookTesting", "DaybookValues", "DaybookWire",
                .product(name: "Logging", package: "swift-log"), .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "DaybookCoreTests", dependencies: ["DaybookCEL", "DaybookCore", "DaybookValues"],
            swiftSettings: settings),
        .testTarget(
            name: "DaybookSystemTests", dependencies: ["DaybookFakes", "DaybookSystem", "DaybookValues"],
            swiftSettings: settings),
        .testTarget(
            name: "DaybookJournalTests",
            dependencies: ["DaybookFakes", "DaybookJournal", "DaybookSystem", "DaybookValues"],
            swiftSettings: settings),
        // The program in the README.
        .executableTarget(
            name: "ReadmeProgram", dependencies: ["Daybook", "DaybookCommands"], path: "Tests/ReadmeProgram",
            swiftSettings: [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]),
        // What a job library is: plain Swift 6, and Daybook alone.
        .target(
            name: "DaybookPlainModule", dependencies: ["Daybook"], path: "Tests/DaybookTests/PlainModule",
            swiftSettings: [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]),
        .testTarget(
            name: "DaybookTests",
            dependencies: [
                "Daybook", "DaybookPlainModule", "DaybookValues", .product(name: "Logging", package: "swift-log"),
            ],
            exclude: ["PlainModule"], swiftSettings: settings),
        .testTarget(
            name: "DaybookNodeTests",
            dependencies: [
                "Daybook", "DaybookCore", "DaybookFakes", "DaybookJournal", "DaybookNode", "DaybookSystem",
                "DaybookTesting", "DaybookValues", "DaybookWire", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings),
        .testTarget(name: "DaybookTestingTests", dependencies: ["Daybook", "DaybookTesting"], swiftSettings: settings),
        .testTarget(
            name: "DaybookServerTests",
            dependencies: [
                "Daybook", "DaybookCore", "DaybookJournal", "DaybookNode", "DaybookSDK", "DaybookServer",
                "DaybookSystem",
                "DaybookValues", "DaybookWire", .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "DaybookCommandsTests",
            dependencies: [
                "Daybook", "DaybookCEL", "DaybookCLI", "DaybookCommands", "DaybookJournal", "DaybookNode", "DaybookSDK",
                "DaybookServer", "DaybookSystem", "DaybookValues", "DaybookWire",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "DaybookSimulatorTests",
            dependencies: [
                "Daybook", "DaybookCore", "DaybookFakes", "DaybookInbox", "DaybookJournal", "DaybookNode",
                "DaybookSimulator", "DaybookSystem", "DaybookTesting", "DaybookValues",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "DaybookInboxTests",
            dependencies: [
                "DaybookCore", "DaybookFakes", "DaybookInbox", "DaybookSystem", "DaybookValues",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: settings),
    ]
)
