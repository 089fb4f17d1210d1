// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]

let package = Package(
    name: "flow-control",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "flow-jobs", targets: ["FlowApp"]),
        .library(name: "FlowJobs", targets: ["FlowJobs"]),
    ],
    dependencies: [
        .package(name: "daybook", path: "../..")
    ],
    targets: [
        .target(
            name: "FlowJobs", dependencies: [.product(name: "Daybook", package: "daybook")], swiftSettings: settings),
        .executableTarget(
            name: "FlowApp",
            dependencies: [
                "FlowJobs", .product(name: "Daybook", package: "daybook"),
                .product(name: "DaybookCommands", package: "daybook"),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "FlowJobsTests",
            dependencies: [
                "FlowJobs", .product(name: "Daybook", package: "daybook"),
                .product(name: "DaybookTesting", package: "daybook"),
            ],
            swiftSettings: settings),
    ]
)
