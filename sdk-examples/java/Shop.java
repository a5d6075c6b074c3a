import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.logging.Level;
import java.util.logging.Logger;

/** A shop that knows no OpenTelemetry: {@code -javaagent} does the rest. */
public final class Shop {
  private static final Logger LOG = Logger.getLogger("shop");

  public static void main(String[] arguments) throws IOException {
    int port = Integer.parseInt(System.getenv().getOrDefault("PORT", "0"));
    HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
    server.createContext("/orders", Shop::order);
    server.start();
    System.out.println("listening on http://127.0.0.1:" + server.getAddress().getPort());
  }

  private static void order(HttpExchange exchange) throws IOException {
    boolean declined = exchange.getRequestURI().getPath().endsWith("/declined");
    if (declined) {
      LOG.log(Level.SEVERE, "the card network did not answer");
    } else {
      LOG.log(Level.INFO, "sold");
    }
    exchange.sendResponseHeaders(declined ? 503 : 201, -1);
    exchange.close();
  }
}
