// Validates a certificate, asking for its status at the URL in it:
// java Ask.java CERTIFICATE INTERMEDIATE ROOT
import java.io.*;
import java.security.cert.*;
import java.util.*;

class Ask {
    public static void main(String[] files) throws Exception { // certificate, intermediate, root
        var factory = CertificateFactory.getInstance("X.509");
        var chain = new ArrayList<X509Certificate>();
        for (var file : files)
            try (var in = new FileInputStream(file)) {
                chain.add((X509Certificate) factory.generateCertificate(in));
            }
        var root = new TrustAnchor(chain.remove(chain.size() - 1), null);
        var validator = CertPathValidator.getInstance("PKIX");
        var checker = (PKIXRevocationChecker) validator.getRevocationChecker();
        checker.setOptions(EnumSet.of(PKIXRevocationChecker.Option.NO_FALLBACK)); // OCSP alone
        var parameters = new PKIXParameters(Set.of(root));
        parameters.addCertPathChecker(checker);
        validator.validate(factory.generateCertPath(chain), parameters);
        System.out.println("good");
    }
}
