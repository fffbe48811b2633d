package io.lakehead.flink.safe;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.EncoderFactory;

/** A schema registry, as far as a reader asks it, which can be told to misbehave. */
final class FakeRegistry implements AutoCloseable {

  static final String UNKNOWN = "{\"error_code\":40403,\"message\":\"Schema not found\"}";

  final AtomicInteger requests = new AtomicInteger();
  private final Map<Integer, Schema> schemas = new ConcurrentHashMap<>();
  private final CountDownLatch closed = new CountDownLatch(1);
  private final HttpServer server;

  /** Status and body instead of the right answer; status 0 is no answer at all. */
  private volatile int status = 200;

  private volatile String body = "";

  FakeRegistry() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setExecutor(
        Executors.newCachedThreadPool(
            task -> {
              Thread thread = new Thread(task);
              thread.setDaemon(true);
              return thread;
            }));
    server.createContext("/", this::answer);
    server.start();
  }

  String url() {
    return "http://127.0.0.1:" + server.getAddress().getPort();
  }

  Schema add(int id, String schema) {
    Schema parsed = new Schema.Parser().parse(schema);
    schemas.put(id, parsed);
    return parsed;
  }

  void answerWith(int status, String body) {
    this.status = status;
    this.body = body;
  }

  void answerRightly() {
    status = 200;
    body = "";
  }

  /** A record in the wire format. */
  static byte[] record(int id, Schema schema, Object value) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(bytes, null);
    encoder.writeFixed(new byte[] {0, (byte) (id >> 24), (byte) (id >> 16), (byte) (id >> 8)});
    encoder.writeFixed(new byte[] {(byte) id});
    new GenericDatumWriter<>(schema).write(value, encoder);
    encoder.flush();
    return bytes.toByteArray();
  }

  private void answer(HttpExchange exchange) throws IOException {
    requests.incrementAndGet();
    if (status == 0) {
      try {
        closed.await();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
      return;
    }
    String path = exchange.getRequestURI().getPath();
    Schema schema = schemas.get(Integer.parseInt(path.substring(path.lastIndexOf('/') + 1)));
    if (status != 200 || !body.isEmpty()) {
      send(exchange, status, body);
    } else if (schema == null) {
      send(exchange, 404, UNKNOWN);
    } else {
      String quoted = schema.toString().replace("\\", "\\\\").replace("\"", "\\\"");
      send(exchange, 200, "{\"schema\":\"" + quoted + "\"}");
    }
  }

  private static void send(HttpExchange exchange, int status, String body) throws IOException {
    byte[] bytes = body.getBytes(UTF_8);
    exchange.getResponseHeaders().set("Content-Type", "application/vnd.schemaregistry.v1+json");
    exchange.sendResponseHeaders(status, bytes.length == 0 ? -1 : bytes.length);
    exchange.getResponseBody().write(bytes);
    exchange.close();
  }

  @Override
  public void close() {
    closed.countDown();
    server.stop(0);
  }
}
