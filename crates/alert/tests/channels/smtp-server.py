"""A real mail server: python3 smtp-server.py FOLDER MODE, where MODE is none,
starttls or tls. Writes its port to FOLDER/port and each mail to FOLDER/mails.
Takes 'lfs' with the password 'se cret' where it has TLS."""

import json
import pathlib
import ssl
import sys
import time

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

folder = pathlib.Path(sys.argv[1])
mode = sys.argv[2]


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody"):
            return "550 5.1.1 no such user"
        if address.startswith("later") and not (folder / "open").exists():
            return "451 4.7.1 greylisted"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server, session, envelope):
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "content": envelope.content.decode("latin-1"),
            "tls": session.ssl is not None or mode == "tls",
            "user": str(session.auth_data or ""),
        }
        with open(folder / "mails", "a", encoding="utf-8") as mails:
            print(json.dumps(mail), file=mails, flush=True)
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    is_right = (data.login, data.password) == (b"lfs", b"se cret")
    return AuthResult(success=is_right, handled=False, auth_data="lfs")


context = None
if mode != "none":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")


class Server(Controller):
    def factory(self):
        return SMTP(
            self.handler,
            tls_context=context if mode == "starttls" else None,
            require_starttls=mode == "starttls",
            authenticator=authenticate if mode != "none" else None,
            auth_required=mode != "none",
            auth_require_tls=mode == "starttls",
        )


server = Server(
    Handler(), hostname="127.0.0.1", port=int(sys.argv[3]),
    ssl_context=context if mode == "tls" else None,
)
server.start()
(folder / "ready").touch()
while True:
    time.sleep(3600)
