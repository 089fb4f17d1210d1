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

let package = Package(
    name: "mail",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "MailServices", targets: ["MailServices"])
    ],
    targets: [
        .systemLibrary(
            name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"]), .brew(["curl"])]),
        .target(name: "MailServices", dependencies: ["CCurl"], swiftSettings: settings),
        .testTarget(name: "MailServicesTests", dependencies: ["MailServices"], swiftSettings: settings),
    ]
)
