// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]
// Functions and the program that serves them need nothing but Swift 6.
let plainSettings: [SwiftSetting] = [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]

let package = Package(
    name: "mail",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "mail-jobs", targets: ["MailApp"]),
        .library(name: "MailJobs", targets: ["MailJobs"]),
        .library(name: "MailServices", targets: ["MailServices"]),
    ],
    dependencies: [
        .package(name: "daybook", path: "../..")
    ],
    targets: [
        .systemLibrary(
            name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"]), .brew(["curl"])]),
        .target(name: "MailServices", dependencies: ["CCurl"], swiftSettings: settings),
        .target(
            name: "MailJobs", dependencies: ["MailServices", .product(name: "Daybook", package: "daybook")],
            swiftSettings: plainSettings),
        .executableTarget(
            name: "MailApp",
            dependencies: [
                "MailJobs", "MailServices", .product(name: "Daybook", package: "daybook"),
                .product(name: "DaybookCommands", package: "daybook"),
            ],
            swiftSettings: plainSettings),
        .testTarget(name: "MailServicesTests", dependencies: ["MailServices"], swiftSettings: settings),
        .testTarget(
            name: "MailJobsTests",
            dependencies: [
                "MailJobs", "MailServices", .product(name: "Daybook", package: "daybook"),
                .product(name: "DaybookTesting", package: "daybook"),
            ],
            swiftSettings: plainSettings),
    ]
)
