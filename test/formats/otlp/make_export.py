# How python.pb beside this file was made: by the OpenTelemetry SDK for Python, whose protobuf is Google's, sent by its
# OTLP/HTTP exporter and kept as it arrived. In an empty folder, with this file copied into it:
#   python3 -m venv env && env/bin/pip install opentelemetry-sdk==1.45.2 opentelemetry-exporter-otlp-proto-http==1.45.2
#   env/bin/python make_export.py
import gzip
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource

bodies = []


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        bodies.append(body)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()

span = trace.SpanContext(
    trace_id=0x0AF7651916CD43DD8448EB211C80319C,
    span_id=0xB7AD6B7169203331,
    is_remote=False,
    trace_flags=trace.TraceFlags(1),
)
context = trace.set_span_in_context(trace.NonRecordingSpan(span))
provider = LoggerProvider(
    resource=Resource({"service.name": "assistant", "service.version": "2.7.1", "deployment.environment": "staging"})
)
url = f"http://127.0.0.1:{server.server_port}/v1/logs"
provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(endpoint=url)))
logger = provider.get_logger("example.openai", "2.1b0", schema_url="https://opentelemetry.io/schemas/1.30.0")


def emit(event_name, attributes, body=None):
    logger.emit(
        LogRecord(
            timestamp=1795262400123456789,
            observed_timestamp=1795262400223456789,
            context=context,
            severity_number=SeverityNumber.INFO,
            event_name=event_name,
            attributes=attributes,
            body=body,
        )
    )


emit("gen_ai.user.message", {"gen_ai.system": "openai"}, {"content": "Wie ist das Wetter in Köln?"})
emit(
    "gen_ai.choice",
    {"gen_ai.system": "openai"},
    {
        "index": 0,
        "finish_reason": "stop",
        "message": {"role": "assistant", "content": "Regen."},
    },
)
emit(
    "gen_ai.client.inference.operation.details",
    {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.request.temperature": 0.1,
        "gen_ai.request.seed": 9007199254740993,
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.input.messages": ({"role": "user", "parts": ({"type": "text", "content": "Hallo"},)},),
        "app.infinite": float("inf"),
        "app.negative": -(2**63),
        "app.bytes": b"\x00\xff",
    },
)
provider.shutdown()
assert len(bodies) == 1
with open("python.pb", "wb") as out:
    out.write(bodies[0])
