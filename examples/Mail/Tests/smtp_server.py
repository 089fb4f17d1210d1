"""A real SMTP server for the tests, on a free port of the loopback address.

Prints "listening PORT" once it accepts connections and ends when its standard input is closed. Every message it accepts
is stored as N.eml, exactly as received, with N.json beside it: the envelope, and the content as Python's own e-mail
package reads it. Some recipients get special answers, whatever the domain:

  busy@    450 to RCPT            gone@    550 to RCPT, in two lines
  full@    452 after the message  spam@    554 after the message
  vanish@  takes the message, stores it, and hangs up without an answer
"""

import argparse
import asyncio
import email
import email.policy
import json
import logging
import os
import ssl
import sys
import warnings

from aiosmtpd.smtp import SMTP, AuthResult

# Failed handshakes are what some tests are about, and a test server may do what a real one should not.
logging.getLogger("mail").setLevel(logging.CRITICAL + 1)
warnings.simplefilter("ignore")

parser = argparse.ArgumentParser()
parser.add_argument("--directory", required=True)
parser.add_argument("--tls", choices=["none", "starttls", "implicit"], default="none")
parser.add_argument("--certificate")
parser.add_argument("--key")
parser.add_argument("--user")
parser.add_argument("--password")
options = parser.parse_args()


class Store:
    count = 0

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        local = address.split("@")[0]
        if local == "busy":
            return "450 4.2.1 mailbox busy, try later"
        if local == "gone":
            return "550-5.1.1 no such user\r\n550 5.1.1 nor was there ever"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        local = envelope.rcpt_tos[0].split("@")[0]
        if local == "full":
            return "452 4.3.1 no room"
        if local == "spam":
            return "554 5.7.1 not wanted"
        self.store(session, envelope)
        if local == "vanish":
            server.transport.abort()
        return "250 OK"

    def store(self, session, envelope):
        Store.count += 1
        base = os.path.join(options.directory, f"{Store.count:04}")
        message = email.message_from_bytes(envelope.original_content, policy=email.policy.default)
        text = message.get_body(("plain",))
        html = message.get_body(("html",))
        facts = {
            "sender": envelope.mail_from,
            "recipients": envelope.rcpt_tos,
            "tls": options.tls == "implicit" or bool(session.ssl),
            "user": session.auth_data.decode() if session.auth_data else None,
            "subject": message["subject"],
            "from": str(message["from"].addresses[0].display_name),
            "to": str(message["to"].addresses[0].display_name),
            "messageID": message["message-id"],
            "date": message["date"].datetime.isoformat(),
            "text": text.get_content().replace("\r\n", "\n") if text else None,
            "html": html.get_content().replace("\r\n", "\n") if html else None,
            "defects": [repr(defect) for part in message.walk() for defect in part.defects],
        }
        with open(base + ".eml", "wb") as file:
            file.write(envelope.original_content)
        with open(base + ".json", "w") as file:
            json.dump(facts, file)


def authenticate(server, session, envelope, mechanism, data):
    if data.login.decode() == options.user and data.password.decode() == options.password:
        return AuthResult(success=True, auth_data=data.login)
    return AuthResult(success=False, handled=False)


async def main():
    context = None
    if options.tls != "none":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(options.certificate, options.key)
    store = Store()

    def protocol():
        return SMTP(
            store,
            hostname="localhost",
            tls_context=context if options.tls == "starttls" else None,
            require_starttls=options.tls == "starttls",
            authenticator=authenticate if options.user else None,
            auth_required=bool(options.user),
            auth_require_tls=options.tls == "starttls",
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        protocol, "127.0.0.1", 0, ssl=context if options.tls == "implicit" else None
    )
    print("listening", server.sockets[0].getsockname()[1], flush=True)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


asyncio.run(main())
